// What the two halves of the parser (expressions and statements) share.
#ifndef TSB_IR_PARSE_H
#define TSB_IR_PARSE_H

#include "ir/ast.h"

typedef struct Parser {
    Lexer lexer;
    Token token; // the current one
    int depth;   // of nested expressions and blocks
} Parser;

enum { MAX_DEPTH = 400 }; // of nesting in source text: each level is a few stack frames

void parser_advance(Parser *p);
bool parser_accept(Parser *p, TokenKind k);
void parser_expect(Parser *p, TokenKind k);
_Noreturn void parser_fail(Parser *p, const char *expected);
void parser_enter(Parser *p); // one level deeper; fails at MAX_DEPTH
void parser_leave(Parser *p);
Str parser_name(Parser *p);

Ast *ast_new(Parser *p, AstKind kind, Token at);
// Appends and widens the range.
void ast_add(Parser *p, Ast *a, Ast *kid);
void ast_widen(Ast *a, const Ast *by);

Ast *parse_exp(Parser *p, int precedence);
// exp | exp, | exp, exp, …
Ast *parse_exp_or_tuple(Parser *p);
// The target of an assignment, `for` or `with`: binds tighter than a comparison, so that `in` ends it.
Ast *parse_target(Parser *p);

#endif
