// The lexer of TorchScript source (torchscript.md §3.1): one token at a time, with Python's indentation.
#ifndef TSB_IR_LEXER_H
#define TSB_IR_LEXER_H

#include "ir/failure.h"

// X(enumerator, text). Words first, then operators, longest first where one begins another.
#define KEYWORD_LIST(X)                                                                                                \
    X(DEF, "def") X(IF, "if") X(ELSE, "else") X(ELIF, "elif") X(WHILE, "while") X(FOR, "for") X(IN, "in")              \
    X(NOT, "not") X(IS, "is") X(AND, "and") X(OR, "or") X(TRUE, "True") X(FALSE, "False") X(NONE, "None")              \
    X(NONE_TYPE, "NoneType") X(RETURN, "return") X(RAISE, "raise") X(ASSERT, "assert") X(BREAK, "break")               \
    X(CONTINUE, "continue") X(PASS, "pass") X(DEL, "del") X(CLASS, "class") X(IMPORT, "import") X(WITH, "with")        \
    X(AS, "as") X(GLOBAL, "global") X(ELLIPSIS, "Ellipsis")

#define OPERATOR_LIST(X)                                                                                               \
    X(DOTS, "...") X(POW_EQ, "**=") X(SHL_EQ, "<<=") X(SHR_EQ, ">>=") X(FLOOR_EQ, "//=") X(ADD_EQ, "+=")               \
    X(SUB_EQ, "-=") X(MUL_EQ, "*=") X(DIV_EQ, "/=") X(MOD_EQ, "%=") X(OR_EQ, "|=") X(AND_EQ, "&=") X(XOR_EQ, "^=")     \
    X(POW, "**") X(FLOOR_DIV, "//") X(SHL, "<<") X(SHR, ">>") X(LE, "<=") X(GE, ">=") X(EQ, "==") X(NE, "!=")          \
    X(ARROW, "->") X(ADD, "+") X(SUB, "-") X(MUL, "*") X(DIV, "/") X(MOD, "%") X(AT, "@") X(BIT_AND, "&")              \
    X(BIT_OR, "|") X(BIT_XOR, "^") X(INVERT, "~") X(LT, "<") X(GT, ">") X(ASSIGN, "=") X(DOT, ".") X(COMMA, ",")       \
    X(COLON, ":") X(SEMICOLON, ";") X(LPAREN, "(") X(RPAREN, ")") X(LBRACKET, "[") X(RBRACKET, "]") X(LBRACE, "{") X(RBRACE, "}")

typedef enum TokenKind {
    TOK_EOF,
    TOK_NEWLINE,
    TOK_INDENT,
    TOK_DEDENT,
    TOK_NAME,
    TOK_NUMBER,
    TOK_STRING,
    TOK_IS_NOT, // "is not"
    TOK_NOT_IN, // "not in"
#define X(name, text) TOK_##name,
    KEYWORD_LIST(X) OPERATOR_LIST(X)
#undef X
    TOK_COUNT
} TokenKind;

typedef struct Token {
    TokenKind kind;
    uint32_t start, end; // bytes in the source
} Token;

enum { MAX_INDENTS = 200 };

typedef struct Lexer {
    Failure *failure;
    const Source *source;
    uint32_t pos;
    int nesting;             // open brackets
    bool line_start;
    int indents[MAX_INDENTS];
    int indent_count;
    int pending_dedents;
} Lexer;

void lexer_init(Lexer *l, Failure *f, const Source *source);
Token lexer_next(Lexer *l);
const char *token_text(TokenKind k); // for messages
// The value of a TOK_STRING: quotes removed, escapes replaced.
Str token_string(Lexer *l, Token t);

#endif
