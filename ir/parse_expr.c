// The parser of expressions: precedence climbing over the lexer's tokens.
// The levels are PyTorch's, in which `and` and `or` bind equally (torchscript.md §3.5).
#include "ir/parse.h"

enum { LOWEST = 0, TARGET = 4, UNARY_NOT = 3, UNARY_SIGN = 10, POWER = 11 };

void parser_advance(Parser *p) { p->token = lexer_next(&p->lexer); }

bool parser_accept(Parser *p, TokenKind k)
{
    if (p->token.kind != k)
        return false;
    parser_advance(p);
    return true;
}

_Noreturn void parser_fail(Parser *p, const char *expected)
{
    fail_at(p->lexer.failure, p->lexer.source, p->token.start, ST_BAD_MODEL, "expected %s but found '%s'", expected,
            token_text(p->token.kind));
}

void parser_expect(Parser *p, TokenKind k)
{
    if (!parser_accept(p, k))
        parser_fail(p, token_text(k));
}

void parser_enter(Parser *p)
{
    if (++p->depth > MAX_DEPTH)
        fail_at(p->lexer.failure, p->lexer.source, p->token.start, ST_BAD_MODEL, "too deep nesting (limit %d)", MAX_DEPTH);
}

void parser_leave(Parser *p) { p->depth--; }

static Str source_text(Parser *p, Token t) { return (Str){p->lexer.source->text.ptr + t.start, t.end - t.start}; }

Str parser_name(Parser *p)
{
    Token t = p->token;
    if (t.kind != TOK_NAME)
        parser_fail(p, "a name");
    parser_advance(p);
    return source_text(p, t);
}

Ast *ast_new(Parser *p, AstKind kind, Token at)
{
    Ast *a = ARENA_NEW(p->lexer.failure->arena, Ast);
    a->kind = kind;
    a->start = at.start;
    a->end = at.end;
    return a;
}

void ast_widen(Ast *a, const Ast *by)
{
    if (by && by->start < a->start)
        a->start = by->start;
    if (by && by->end > a->end)
        a->end = by->end;
}

void ast_add(Parser *p, Ast *a, Ast *kid)
{
    ARENA_PUSH(p->lexer.failure->arena, a->kids, a->count, kid);
    ast_widen(a, kid);
}

static Ast *parse_number(Parser *p)
{
    Ast *a = ast_new(p, AST_NUMBER, p->token);
    a->text = source_text(p, p->token);
    parser_advance(p);
    return a;
}

// Adjacent literals are one string.
static Ast *parse_strings(Parser *p)
{
    Arena *arena = p->lexer.failure->arena;
    Ast *a = ast_new(p, AST_STRING, p->token);
    Str *parts = NULL;
    uint32_t count = 0;
    size_t len = 0;
    for (; p->token.kind == TOK_STRING; parser_advance(p)) {
        Str part = token_string(&p->lexer, p->token);
        ARENA_PUSH(arena, parts, count, part);
        len += part.len;
        a->end = p->token.end;
    }
    a->text = parts[0];
    if (count == 1)
        return a;
    char *all = arena_alloc(arena, len + 1);
    a->text = (Str){all, len};
    for (uint32_t i = 0; i < count; all += parts[i++].len)
        memcpy(all, parts[i].ptr, parts[i].len);
    return a;
}

// `element for target in iterable`, the element already read.
static Ast *parse_list_comp(Parser *p, Ast *element, Token at)
{
    Ast *a = ast_new(p, AST_LIST_COMP, at);
    ast_add(p, a, element);
    ast_add(p, a, parse_target(p));
    parser_expect(p, TOK_IN);
    ast_add(p, a, parse_exp(p, 1));
    return a;
}

static Ast *parse_list(Parser *p)
{
    Token open = p->token;
    Ast *a = ast_new(p, AST_LIST, open);
    parser_advance(p);
    while (p->token.kind != TOK_RBRACKET) {
        ast_add(p, a, parse_exp(p, LOWEST));
        if (a->count == 1 && a->kids[0]->kind == AST_LIST_COMP) {
            parser_expect(p, TOK_RBRACKET);
            return a->kids[0];
        }
        if (!parser_accept(p, TOK_COMMA))
            break;
    }
    a->end = p->token.end;
    parser_expect(p, TOK_RBRACKET);
    return a;
}

static Ast *parse_dict(Parser *p)
{
    Ast *a = ast_new(p, AST_DICT, p->token);
    parser_advance(p);
    while (p->token.kind != TOK_RBRACE) {
        Ast *key = parse_exp(p, LOWEST);
        parser_expect(p, TOK_COLON);
        ast_add(p, a, key);
        ast_add(p, a, parse_exp(p, LOWEST));
        if (!parser_accept(p, TOK_COMMA))
            break;
    }
    a->end = p->token.end;
    parser_expect(p, TOK_RBRACE);
    if (a->count != 2 || a->kids[1]->kind != AST_LIST_COMP)
        return a;
    // {k: v for x in y}; PyTorch takes {k: [v for x in y]} for the same.
    Ast *key = a->kids[0], *value = a->kids[1];
    Ast *c = ast_new(p, AST_DICT_COMP, (Token){.start = key->start, .end = key->end});
    ast_add(p, c, key);
    for (uint32_t i = 0; i < 3; i++)
        ast_add(p, c, value->kids[i]);
    return c;
}

static Ast *parse_paren(Parser *p)
{
    parser_advance(p);
    if (p->token.kind == TOK_RPAREN) {
        Ast *empty = ast_new(p, AST_TUPLE, p->token);
        parser_advance(p);
        return empty;
    }
    Ast *inside = parse_exp_or_tuple(p);
    parser_expect(p, TOK_RPAREN);
    return inside;
}

static Ast *parse_atom(Parser *p)
{
    static const AstKind literal[TOK_COUNT] = {[TOK_TRUE] = AST_TRUE,      [TOK_FALSE] = AST_FALSE, [TOK_NONE] = AST_NONE,
                                               [TOK_NONE_TYPE] = AST_NAME, [TOK_DOTS] = AST_DOTS,   [TOK_NAME] = AST_NAME};
    Token t = p->token;
    switch (t.kind) {
    case TOK_NUMBER:
        return parse_number(p);
    case TOK_STRING:
        return parse_strings(p);
    case TOK_LPAREN:
        return parse_paren(p);
    case TOK_LBRACKET:
        return parse_list(p);
    case TOK_LBRACE:
        return parse_dict(p);
    case TOK_TRUE:
    case TOK_FALSE:
    case TOK_NONE:
    case TOK_NONE_TYPE:
    case TOK_DOTS:
    case TOK_NAME: {
        Ast *a = ast_new(p, literal[t.kind], t);
        a->text = source_text(p, t);
        parser_advance(p);
        return a;
    }
    default:
        parser_fail(p, "an expression");
    }
}

static Ast *parse_apply(Parser *p, Ast *callee)
{
    Ast *a = ast_new(p, AST_APPLY, p->token);
    ast_add(p, a, callee);
    parser_advance(p);
    while (p->token.kind != TOK_RPAREN) {
        Ast *arg = parse_exp(p, LOWEST);
        if (p->token.kind == TOK_ASSIGN && arg->kind == AST_NAME) {
            Ast *keyword = ast_new(p, AST_KEYWORD, (Token){.start = arg->start, .end = arg->end});
            keyword->text = arg->text;
            parser_advance(p);
            ast_add(p, keyword, parse_exp(p, LOWEST));
            arg = keyword;
        }
        ast_add(p, a, arg);
        if (!parser_accept(p, TOK_COMMA))
            break;
    }
    a->end = p->token.end;
    parser_expect(p, TOK_RPAREN);
    return a;
}

// start:end:step, each part optional, or a plain expression.
static Ast *parse_subscript_item(Parser *p)
{
    Token at = p->token;
    Ast *first = p->token.kind == TOK_COLON ? NULL : parse_exp(p, LOWEST);
    if (p->token.kind != TOK_COLON)
        return first;
    Ast *a = ast_new(p, AST_SLICE, at);
    ast_add(p, a, first);
    for (int part = 1; part < 3; part++) {
        Ast *kid = NULL;
        if (parser_accept(p, TOK_COLON) && p->token.kind != TOK_COLON && p->token.kind != TOK_RBRACKET &&
            p->token.kind != TOK_COMMA)
            kid = parse_exp(p, LOWEST);
        ast_add(p, a, kid);
    }
    return a;
}

static Ast *parse_subscript(Parser *p, Ast *value)
{
    Ast *a = ast_new(p, AST_SUBSCRIPT, p->token);
    ast_add(p, a, value);
    parser_advance(p);
    while (p->token.kind != TOK_RBRACKET) {
        ast_add(p, a, parse_subscript_item(p));
        if (!parser_accept(p, TOK_COMMA))
            break;
    }
    a->end = p->token.end;
    parser_expect(p, TOK_RBRACKET);
    return a;
}

static Ast *parse_postfix(Parser *p)
{
    Ast *a = parse_atom(p);
    for (;;) {
        if (p->token.kind == TOK_DOT) {
            parser_advance(p);
            Ast *select = ast_new(p, AST_SELECT, p->token);
            select->text = parser_name(p);
            ast_add(p, select, a);
            a = select;
        } else if (p->token.kind == TOK_LPAREN) {
            a = parse_apply(p, a);
        } else if (p->token.kind == TOK_LBRACKET) {
            a = parse_subscript(p, a);
        } else {
            return a;
        }
    }
}

static int binary_precedence(TokenKind k)
{
    static const uint8_t levels[TOK_COUNT] = {
        [TOK_IF] = 1,      [TOK_FOR] = 1,       [TOK_AND] = 2,  [TOK_OR] = 2,  [TOK_LT] = 4,     [TOK_GT] = 4,
        [TOK_LE] = 4,      [TOK_GE] = 4,        [TOK_EQ] = 4,   [TOK_NE] = 4,  [TOK_IN] = 4,     [TOK_NOT_IN] = 4,
        [TOK_IS] = 4,      [TOK_IS_NOT] = 4,    [TOK_BIT_OR] = 5, [TOK_BIT_XOR] = 6, [TOK_BIT_AND] = 7, [TOK_SHL] = 8,
        [TOK_SHR] = 8,     [TOK_ADD] = 9,       [TOK_SUB] = 9,  [TOK_MUL] = 10, [TOK_DIV] = 10,  [TOK_FLOOR_DIV] = 10,
        [TOK_MOD] = 10,    [TOK_AT] = 10,       [TOK_POW] = POWER,
    };
    return levels[k];
}

static Ast *binary(Parser *p, AstKind kind, Token op, Ast *left, Ast *right)
{
    Ast *a = ast_new(p, kind, op);
    a->op = op.kind;
    ast_add(p, a, left);
    if (right)
        ast_add(p, a, right);
    return a;
}

static Ast *parse_unary(Parser *p)
{
    Token op = p->token;
    int level = op.kind == TOK_NOT || op.kind == TOK_INVERT ? UNARY_NOT
                : op.kind == TOK_SUB || op.kind == TOK_MUL  ? UNARY_SIGN
                                                            : 0;
    if (!level)
        return parse_postfix(p);
    parser_advance(p);
    Ast *operand = parse_exp(p, level);
    if (op.kind == TOK_SUB && operand->kind == AST_NUMBER && operand->text.ptr[0] != '-') {
        operand->text = arena_printf(p->lexer.failure->arena, "-" STR_FMT, STR_ARG(operand->text));
        return operand;
    }
    return binary(p, op.kind == TOK_MUL ? AST_STAR : AST_UNARY, op, operand, NULL);
}

static Ast *parse_operator(Parser *p, Ast *left, int level)
{
    Token op = p->token;
    parser_advance(p);
    switch (op.kind) {
    case TOK_IF: {
        Ast *a = ast_new(p, AST_TERNARY, op);
        ast_add(p, a, left);
        ast_add(p, a, parse_exp(p, LOWEST));
        parser_expect(p, TOK_ELSE);
        ast_add(p, a, parse_exp(p, level - 1)); // to the right, as in Python
        return a;
    }
    case TOK_FOR:
        return parse_list_comp(p, left, op);
    case TOK_NOT_IN: {
        Token in = {.kind = TOK_IN, .start = op.start, .end = op.end}, no = {.kind = TOK_NOT, .start = op.start, .end = op.end};
        return binary(p, AST_UNARY, no, binary(p, AST_BINARY, in, left, parse_exp(p, level)), NULL);
    }
    default:
        return binary(p, AST_BINARY, op, left, parse_exp(p, op.kind == TOK_POW ? level - 1 : level));
    }
}

Ast *parse_exp(Parser *p, int precedence)
{
    parser_enter(p);
    Ast *left = parse_unary(p);
    for (;;) {
        int level = binary_precedence(p->token.kind);
        if (level <= precedence)
            break;
        left = parse_operator(p, left, level);
    }
    parser_leave(p);
    return left;
}

Ast *parse_target(Parser *p)
{
    Ast *first = parse_exp(p, TARGET);
    if (p->token.kind != TOK_COMMA)
        return first;
    Ast *tuple = ast_new(p, AST_TUPLE, p->token);
    ast_add(p, tuple, first);
    while (parser_accept(p, TOK_COMMA) && p->token.kind != TOK_IN)
        ast_add(p, tuple, parse_exp(p, TARGET));
    return tuple;
}

static bool ends_tuple(TokenKind k)
{
    return k == TOK_RPAREN || k == TOK_ASSIGN || k == TOK_NEWLINE || k == TOK_EOF || k == TOK_DEDENT || k == TOK_COLON ||
           k == TOK_RBRACKET;
}

Ast *parse_exp_or_tuple(Parser *p)
{
    Ast *first = parse_exp(p, LOWEST);
    if (p->token.kind != TOK_COMMA)
        return first;
    Ast *tuple = ast_new(p, AST_TUPLE, p->token);
    ast_add(p, tuple, first);
    while (parser_accept(p, TOK_COMMA) && !ends_tuple(p->token.kind))
        ast_add(p, tuple, parse_exp(p, LOWEST));
    return tuple;
}
