// The lexer: names, numbers, strings, operators, and Python's NEWLINE, INDENT and DEDENT.
// A tab counts as one blank and CR is a blank, as in PyTorch.
#include "ir/lexer.h"

static const char *const texts[TOK_COUNT] = {
    "end of file", "end of line", "indented block", "end of block", "a name", "a number", "a string", "is not", "not in",
#define X(name, text) text,
    KEYWORD_LIST(X) OPERATOR_LIST(X)
#undef X
};

const char *token_text(TokenKind k) { return texts[k]; }

void lexer_init(Lexer *l, Failure *f, const Source *source)
{
    *l = (Lexer){.failure = f, .source = source, .line_start = true};
    l->indent_count = 0;
}

static char at(const Lexer *l, uint32_t pos) { return pos < l->source->text.len ? l->source->text.ptr[pos] : 0; }

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_name_char(char c) { return is_name_start(c) || is_digit(c); }

static void skip_comment(Lexer *l)
{
    while (l->pos < l->source->text.len && at(l, l->pos) != '\n')
        l->pos++;
}

// Skips blanks, comments and joined lines; stops at a newline that ends a statement.
static void skip_blanks(Lexer *l)
{
    for (;;) {
        char c = at(l, l->pos);
        if (is_blank(c) || (c == '\n' && l->nesting > 0))
            l->pos++;
        else if (c == '\\' && at(l, l->pos + 1) == '\n')
            l->pos += 2;
        else if (c == '\\' && at(l, l->pos + 1) == '\r' && at(l, l->pos + 2) == '\n')
            l->pos += 3;
        else if (c == '#')
            skip_comment(l);
        else
            return;
    }
}

// At the start of a line: its indentation, over blank and comment lines. -1 at the end of the file.
static int next_indent(Lexer *l)
{
    for (;;) {
        uint32_t start = l->pos;
        while (is_blank(at(l, l->pos)))
            l->pos++;
        int indent = (int)(l->pos - start);
        if (at(l, l->pos) == '#')
            skip_comment(l);
        if (l->pos >= l->source->text.len)
            return -1;
        if (at(l, l->pos) != '\n')
            return indent;
        l->pos++;
    }
}

static Token token(TokenKind k, uint32_t start, uint32_t end) { return (Token){k, start, end}; }

// INDENT or DEDENT for a new line, or TOK_COUNT when the line goes on at the same level.
static TokenKind line_change(Lexer *l)
{
    int indent = next_indent(l);
    l->line_start = false;
    if (l->indent_count == 0)
        l->indents[l->indent_count++] = indent < 0 ? 0 : indent;
    if (indent < 0)
        indent = l->indents[0];
    int top = l->indents[l->indent_count - 1];
    if (indent > top) {
        if (l->indent_count == MAX_INDENTS)
            fail_at(l->failure, l->source, l->pos, ST_BAD_MODEL, "too many indented blocks (limit %d)", MAX_INDENTS);
        l->indents[l->indent_count++] = indent;
        return TOK_INDENT;
    }
    while (l->indent_count > 1 && indent < l->indents[l->indent_count - 1]) {
        l->indent_count--;
        l->pending_dedents++;
    }
    if (indent != l->indents[l->indent_count - 1])
        fail_at(l->failure, l->source, l->pos, ST_BAD_MODEL, "invalid indent level %d", indent);
    if (l->pending_dedents == 0)
        return TOK_COUNT;
    l->pending_dedents--;
    return TOK_DEDENT;
}

static Token lex_number(Lexer *l)
{
    uint32_t start = l->pos, p = start;
    if (at(l, p) == '0' && (at(l, p + 1) == 'x' || at(l, p + 1) == 'X')) {
        for (p += 2; is_name_char(at(l, p)); p++)
            ;
    } else {
        while (is_digit(at(l, p)))
            p++;
        if (at(l, p) == '.')
            for (p++; is_digit(at(l, p)); p++)
                ;
        if (at(l, p) == 'e' || at(l, p) == 'E') {
            uint32_t q = p + 1;
            if (at(l, q) == '+' || at(l, q) == '-')
                q++;
            if (is_digit(at(l, q)))
                for (p = q; is_digit(at(l, p)); p++)
                    ;
        }
        if (at(l, p) == 'j')
            p++;
    }
    l->pos = p;
    return token(TOK_NUMBER, start, p);
}

static Token lex_string(Lexer *l)
{
    uint32_t start = l->pos, p = start;
    char quote = at(l, p);
    bool triple = at(l, p + 1) == quote && at(l, p + 2) == quote;
    p += triple ? 3 : 1;
    for (;; p++) {
        if (p >= l->source->text.len || (!triple && at(l, p) == '\n'))
            fail_at(l->failure, l->source, start, ST_BAD_MODEL, "expected the end of a string");
        if (at(l, p) == '\\')
            p++;
        else if (at(l, p) == quote && (!triple || (at(l, p + 1) == quote && at(l, p + 2) == quote)))
            break;
    }
    l->pos = p + (triple ? 3 : 1);
    return token(TOK_STRING, start, l->pos);
}

static int octal(char c) { return c >= '0' && c <= '7' ? c - '0' : -1; }

Str token_string(Lexer *l, Token t)
{
    const char *text = l->source->text.ptr;
    bool triple = t.end - t.start >= 6 && text[t.start + 1] == text[t.start] && text[t.start + 2] == text[t.start];
    uint32_t p = t.start + (triple ? 3 : 1), end = t.end - (triple ? 3 : 1);
    char *out = arena_alloc(l->failure->arena, end - p + 1);
    size_t n = 0;
    while (p < end) {
        char c = text[p++];
        if (c != '\\' || p == end) {
            out[n++] = c;
            continue;
        }
        c = text[p++];
        static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
        const char *simple = c ? strchr(from, c) : NULL;
        if (simple) {
            out[n++] = to[simple - from];
        } else if (c != '\n') {
            int a = octal(c), b = p < end ? octal(text[p]) : -1, d = p + 1 < end ? octal(text[p + 1]) : -1;
            if (a < 0 || b < 0 || d < 0 || a * 64 + b * 8 + d > 255)
                fail_at(l->failure, l->source, p - 2, ST_BAD_MODEL, "ill formed octal specifier in a string");
            out[n++] = (char)(a * 64 + b * 8 + d);
            p += 2;
        }
    }
    return (Str){out, n};
}

static TokenKind keyword(Str word)
{
    static const struct {
        const char *text;
        TokenKind kind;
    } words[] = {
#define X(name, text) {text, TOK_##name},
        KEYWORD_LIST(X)
#undef X
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (word.ptr[0] == words[i].text[0] && str_is(word, words[i].text))
            return words[i].kind;
    return TOK_NAME;
}

static Token lex_word(Lexer *l)
{
    uint32_t start = l->pos;
    while (is_name_char(at(l, l->pos)))
        l->pos++;
    TokenKind kind = keyword((Str){l->source->text.ptr + start, l->pos - start});
    // Two-word operators need exactly one blank between the words.
    Str rest = {l->source->text.ptr + l->pos, l->source->text.len - l->pos};
    if (kind == TOK_IS && str_starts(rest, STR(" not")) && !is_name_char(at(l, l->pos + 4))) {
        l->pos += 4;
        kind = TOK_IS_NOT;
    } else if (kind == TOK_NOT && str_starts(rest, STR(" in")) && !is_name_char(at(l, l->pos + 3))) {
        l->pos += 3;
        kind = TOK_NOT_IN;
    }
    return token(kind == TOK_ELLIPSIS ? TOK_DOTS : kind, start, l->pos);
}

static Token lex_operator(Lexer *l)
{
    static const struct {
        const char *text;
        uint8_t len;
        TokenKind kind;
    } operators[] = {
#define X(name, text) {text, sizeof text - 1, TOK_##name},
        OPERATOR_LIST(X)
#undef X
    };
    uint32_t start = l->pos;
    Str rest = {l->source->text.ptr + start, l->source->text.len - start};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (rest.ptr[0] == operators[i].text[0] && rest.len >= operators[i].len &&
            memcmp(rest.ptr, operators[i].text, operators[i].len) == 0) {
            TokenKind k = operators[i].kind;
            l->nesting += k == TOK_LPAREN || k == TOK_LBRACKET || k == TOK_LBRACE;
            if ((k == TOK_RPAREN || k == TOK_RBRACKET || k == TOK_RBRACE) && l->nesting > 0)
                l->nesting--;
            l->pos += operators[i].len;
            return token(k, start, l->pos);
        }
    fail_at(l->failure, l->source, start, ST_BAD_MODEL, "unexpected character 0x%02x", (unsigned)(uint8_t)rest.ptr[0]);
}

Token lexer_next(Lexer *l)
{
    if (l->pending_dedents) {
        l->pending_dedents--;
        return token(TOK_DEDENT, l->pos, l->pos);
    }
    if (l->line_start) {
        TokenKind k = line_change(l);
        if (k != TOK_COUNT)
            return token(k, l->pos, l->pos);
    }
    skip_blanks(l);
    if (l->pos >= l->source->text.len) {
        if (l->nesting == 0 && l->indent_count > 1) { // a file that does not end with a newline
            l->indent_count--;
            return token(TOK_DEDENT, l->pos, l->pos);
        }
        return token(TOK_EOF, l->pos, l->pos);
    }
    char c = at(l, l->pos);
    if (c == '\n') {
        l->pos++;
        l->line_start = true;
        return token(TOK_NEWLINE, l->pos - 1, l->pos);
    }
    if (is_digit(c) || (c == '.' && is_digit(at(l, l->pos + 1))))
        return lex_number(l);
    if (c == '"' || c == '\'')
        return lex_string(l);
    if (is_name_start(c))
        return lex_word(l);
    return lex_operator(l);
}
