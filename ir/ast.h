// The syntax tree: one node type for expressions and statements; `kids` are laid out as the comments say.
#ifndef TSB_IR_AST_H
#define TSB_IR_AST_H

#include "ir/lexer.h"

typedef enum AstKind {
    // Expressions.
    AST_NAME,      // text
    AST_NUMBER,    // text, with a '-' folded in
    AST_STRING,    // text: the value
    AST_TRUE,
    AST_FALSE,
    AST_NONE,
    AST_DOTS,
    AST_SELECT,    // kids[0] . text
    AST_APPLY,     // kids[0] is called with the others: expressions, AST_STAR, AST_KEYWORD
    AST_KEYWORD,   // text = kids[0]
    AST_STAR,      // * kids[0]
    AST_SUBSCRIPT, // kids[0] [ kids[1 …] ]
    AST_SLICE,     // kids[0] : kids[1] : kids[2], each may be NULL
    AST_LIST,
    AST_TUPLE,
    AST_DICT,      // key, value, key, value …
    AST_LIST_COMP, // element, target, iterable
    AST_DICT_COMP, // key, value, target, iterable
    AST_TERNARY,   // value if true, condition, value if false
    AST_BINARY,    // kids[0] op kids[1]
    AST_UNARY,     // op kids[0]
    // Statements.
    AST_BLOCK,     // statements
    AST_IF,        // condition, block, block
    AST_WHILE,     // condition, block
    AST_FOR,       // target, iterable, block
    AST_RETURN,    // value or NULL
    AST_ASSIGN,    // value or NULL, type or NULL, targets …
    AST_AUG_ASSIGN, // target op= value
    AST_EXPR,      // expression
    AST_RAISE,     // expression
    AST_ASSERT,    // condition, message or NULL
    AST_PASS,
    AST_BREAK,
    AST_CONTINUE,
    AST_DEL,       // targets
    AST_WITH,      // block, then pairs: expression, variable or NULL
    AST_DEF,       // text; return type or NULL, block, AST_PARAM …
    AST_PARAM,     // text; type or NULL, default or NULL; op is TOK_MUL when keyword-only
    AST_CLASS,     // text; base or NULL, block
} AstKind;

typedef struct Ast {
    AstKind kind;
    TokenKind op;
    uint32_t start, end; // bytes in the source, over all kids
    uint32_t count;
    struct Ast **kids;
    Str text;
} Ast;

// A definition as a Function holds it.
struct Def {
    const Ast *ast; // AST_DEF
};

// The definitions of a file: AST_DEF and AST_CLASS nodes in an AST_BLOCK. Memory is the failure's arena.
Ast *parse_file(Failure *f, const Source *source);
// One type or expression and nothing behind it.
Ast *parse_expression(Failure *f, const Source *source);

static inline uint32_t ast_param_count(const Ast *def) { return def->count - 2; }
static inline const Ast *ast_param(const Ast *def, uint32_t i) { return def->kids[2 + i]; }

#endif
