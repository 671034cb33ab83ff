// The parser of statements, functions, classes and files (torchscript.md §3.2, §3.3, §3.6).
// It accepts more than archives hold today: files written by hand and by old releases use all of Python's forms.
#include "ir/parse.h"

static Ast *parse_statement(Parser *p);

// INDENT statements DEDENT, or statements on the same line.
static Ast *parse_block(Parser *p)
{
    parser_enter(p);
    parser_expect(p, TOK_COLON);
    Ast *block = ast_new(p, AST_BLOCK, p->token);
    if (parser_accept(p, TOK_NEWLINE)) {
        parser_expect(p, TOK_INDENT);
        while (p->token.kind != TOK_DEDENT && p->token.kind != TOK_EOF)
            ast_add(p, block, parse_statement(p));
        parser_accept(p, TOK_DEDENT);
    } else {
        ast_add(p, block, parse_statement(p));
    }
    parser_leave(p);
    return block;
}

static Ast *empty_block(Parser *p) { return ast_new(p, AST_BLOCK, p->token); }

// After `if` or `elif`. As in PyTorch an `elif` is placed at its condition.
static Ast *parse_if(Parser *p, Token at)
{
    parser_enter(p);
    Ast *a = ast_new(p, AST_IF, at);
    ast_add(p, a, parse_exp(p, 0));
    ast_add(p, a, parse_block(p));
    Token next = p->token;
    if (parser_accept(p, TOK_ELIF)) {
        Ast *otherwise = ast_new(p, AST_BLOCK, next);
        ast_add(p, otherwise, parse_if(p, p->token));
        ast_add(p, a, otherwise);
    } else if (parser_accept(p, TOK_ELSE)) {
        ast_add(p, a, parse_block(p));
    } else {
        ARENA_PUSH(p->lexer.failure->arena, a->kids, a->count, empty_block(p));
    }
    parser_leave(p);
    return a;
}

static Ast *parse_for(Parser *p, Token at)
{
    Ast *a = ast_new(p, AST_FOR, at);
    ast_add(p, a, parse_target(p));
    parser_expect(p, TOK_IN);
    ast_add(p, a, parse_exp_or_tuple(p));
    ast_add(p, a, parse_block(p));
    return a;
}

static Ast *parse_with(Parser *p, Token at)
{
    Ast *items = ast_new(p, AST_BLOCK, at);
    do {
        ast_add(p, items, parse_exp(p, 0));
        ast_add(p, items, parser_accept(p, TOK_AS) ? parse_exp(p, 0) : NULL);
    } while (parser_accept(p, TOK_COMMA));
    Ast *a = ast_new(p, AST_WITH, at);
    ast_add(p, a, parse_block(p));
    for (uint32_t i = 0; i < items->count; i++)
        ast_add(p, a, items->kids[i]);
    return a;
}

static Ast *parse_def(Parser *p)
{
    Ast *a = ast_new(p, AST_DEF, p->token);
    a->text = parser_name(p);
    ast_add(p, a, NULL);
    ast_add(p, a, NULL);
    parser_expect(p, TOK_LPAREN);
    TokenKind keyword_only = TOK_EOF;
    while (p->token.kind != TOK_RPAREN) {
        if (parser_accept(p, TOK_MUL)) {
            keyword_only = TOK_MUL;
        } else {
            Ast *param = ast_new(p, AST_PARAM, p->token);
            param->text = parser_name(p);
            param->op = keyword_only;
            ast_add(p, param, parser_accept(p, TOK_COLON) ? parse_exp(p, 0) : NULL);
            ast_add(p, param, parser_accept(p, TOK_ASSIGN) ? parse_exp(p, 0) : NULL);
            ast_add(p, a, param);
        }
        if (!parser_accept(p, TOK_COMMA))
            break;
    }
    parser_expect(p, TOK_RPAREN);
    if (parser_accept(p, TOK_ARROW))
        a->kids[0] = parse_exp(p, 0);
    a->kids[1] = parse_block(p);
    ast_widen(a, a->kids[1]);
    return a;
}

static Ast *parse_class(Parser *p, Token at)
{
    Ast *a = ast_new(p, AST_CLASS, at);
    a->text = parser_name(p);
    ast_add(p, a, NULL);
    if (parser_accept(p, TOK_LPAREN)) {
        if (p->token.kind != TOK_RPAREN)
            a->kids[0] = parse_exp(p, 0);
        parser_expect(p, TOK_RPAREN);
    }
    ast_add(p, a, parse_block(p));
    return a;
}

static TokenKind augmented(TokenKind k)
{
    static const TokenKind ops[TOK_COUNT] = {
        [TOK_ADD_EQ] = TOK_ADD, [TOK_SUB_EQ] = TOK_SUB,     [TOK_MUL_EQ] = TOK_MUL,     [TOK_DIV_EQ] = TOK_DIV,
        [TOK_MOD_EQ] = TOK_MOD, [TOK_OR_EQ] = TOK_BIT_OR,   [TOK_AND_EQ] = TOK_BIT_AND, [TOK_XOR_EQ] = TOK_BIT_XOR,
        [TOK_SHL_EQ] = TOK_SHL, [TOK_SHR_EQ] = TOK_SHR,     [TOK_POW_EQ] = TOK_POW,     [TOK_FLOOR_EQ] = TOK_FLOOR_DIV,
    };
    return ops[k];
}

// An expression statement or an assignment of any kind.
static Ast *parse_assignment(Parser *p)
{
    Token at = p->token;
    Ast *first = parse_exp_or_tuple(p);
    TokenKind op = augmented(p->token.kind);
    if (op) {
        Ast *a = ast_new(p, AST_AUG_ASSIGN, at);
        a->op = op;
        parser_advance(p);
        ast_add(p, a, first);
        ast_add(p, a, parse_exp_or_tuple(p));
        return a;
    }
    if (p->token.kind != TOK_ASSIGN && p->token.kind != TOK_COLON) {
        Ast *a = ast_new(p, AST_EXPR, at);
        ast_add(p, a, first);
        return a;
    }
    Ast *a = ast_new(p, AST_ASSIGN, at), *value = NULL;
    ast_add(p, a, NULL);
    ast_add(p, a, parser_accept(p, TOK_COLON) ? parse_exp(p, 0) : NULL);
    ast_add(p, a, first);
    while (parser_accept(p, TOK_ASSIGN)) {
        if (value)
            ast_add(p, a, value); // a = b = value
        value = parse_exp_or_tuple(p);
    }
    a->kids[0] = value;
    ast_widen(a, value);
    return a;
}

static void end_of_statement(Parser *p)
{
    if (p->token.kind == TOK_NEWLINE || p->token.kind == TOK_SEMICOLON)
        parser_advance(p);
    else if (p->token.kind != TOK_EOF && p->token.kind != TOK_DEDENT)
        parser_fail(p, "the end of the statement");
}

static Ast *one_kid(Parser *p, AstKind kind, Token at, Ast *kid)
{
    Ast *a = ast_new(p, kind, at);
    ast_add(p, a, kid);
    return a;
}

static Ast *parse_small_statement(Parser *p)
{
    Token at = p->token;
    switch (at.kind) {
    case TOK_RETURN: {
        parser_advance(p);
        bool bare = p->token.kind == TOK_NEWLINE || p->token.kind == TOK_EOF || p->token.kind == TOK_DEDENT;
        return one_kid(p, AST_RETURN, at, bare ? NULL : parse_exp_or_tuple(p));
    }
    case TOK_RAISE:
        parser_advance(p);
        return one_kid(p, AST_RAISE, at, parse_exp(p, 0));
    case TOK_ASSERT: {
        parser_advance(p);
        Ast *a = one_kid(p, AST_ASSERT, at, parse_exp(p, 0));
        ast_add(p, a, parser_accept(p, TOK_COMMA) ? parse_exp(p, 0) : NULL);
        return a;
    }
    case TOK_DEL: {
        parser_advance(p);
        Ast *a = ast_new(p, AST_DEL, at);
        do
            ast_add(p, a, parse_exp(p, 0));
        while (parser_accept(p, TOK_COMMA));
        return a;
    }
    case TOK_PASS:
    case TOK_BREAK:
    case TOK_CONTINUE:
        parser_advance(p);
        return ast_new(p, at.kind == TOK_PASS ? AST_PASS : at.kind == TOK_BREAK ? AST_BREAK : AST_CONTINUE, at);
    case TOK_GLOBAL:
        parser_fail(p, "a statement that TorchScript has");
    default:
        return parse_assignment(p);
    }
}

static Ast *parse_statement(Parser *p)
{
    Token at = p->token;
    switch (at.kind) {
    case TOK_IF:
        parser_advance(p);
        return parse_if(p, at);
    case TOK_WHILE: {
        parser_advance(p);
        Ast *a = one_kid(p, AST_WHILE, at, parse_exp(p, 0));
        ast_add(p, a, parse_block(p));
        return a;
    }
    case TOK_FOR:
        parser_advance(p);
        return parse_for(p, at);
    case TOK_WITH:
        parser_advance(p);
        return parse_with(p, at);
    case TOK_DEF:
        parser_advance(p);
        return parse_def(p);
    default: {
        Ast *a = parse_small_statement(p);
        end_of_statement(p);
        return a;
    }
    }
}

static void skip_line(Parser *p)
{
    while (p->token.kind != TOK_NEWLINE && p->token.kind != TOK_EOF)
        parser_advance(p);
}

Ast *parse_file(Failure *f, const Source *source)
{
    Parser p = {0};
    lexer_init(&p.lexer, f, source);
    parser_advance(&p);
    Ast *file = ast_new(&p, AST_BLOCK, p.token);
    while (p.token.kind != TOK_EOF) {
        Token at = p.token;
        switch (at.kind) {
        case TOK_NEWLINE:
        case TOK_DEDENT:
            parser_advance(&p);
            break;
        case TOK_CLASS:
            parser_advance(&p);
            ast_add(&p, file, parse_class(&p, at));
            break;
        case TOK_DEF:
            parser_advance(&p);
            ast_add(&p, file, parse_def(&p));
            break;
        case TOK_IMPORT:
            skip_line(&p);
            break;
        default:
            if (at.kind == TOK_NAME && str_eq((Str){source->text.ptr + at.start, at.end - at.start}, STR("op_version_set")))
                skip_line(&p);
            else
                parser_fail(&p, "a class or function definition");
        }
    }
    return file;
}

Ast *parse_expression(Failure *f, const Source *source)
{
    Parser p = {0};
    lexer_init(&p.lexer, f, source);
    parser_advance(&p);
    Ast *a = parse_exp_or_tuple(&p);
    if (p.token.kind != TOK_EOF && p.token.kind != TOK_NEWLINE)
        parser_fail(&p, "the end");
    return a;
}
