// Takes the text of a signature apart: types, names, defaults, and which arguments are written to.
#include "worker/op_signature.h"

#include <string.h>

// "Tensor(a!) self" -> "Tensor", "self", writes. Appends the type to s->text.
static bool param_add(Signature *s, size_t *used, const char *from, const char *to)
{
    while (from < to && *from == ' ')
        from++;
    if (from == to || *from == '*')
        return true;
    if (s->count == SIGNATURE_ARGS)
        return false;
    Param *p = &s->params[s->count++];
    const char *equals = memchr(from, '=', (size_t)(to - from)), *end = equals ? equals : to, *blank = end;
    while (blank > from && *blank != ' ')
        blank--;
    p->name = (Str){blank + 1, (size_t)(end - blank - 1)};
    p->otherwise = equals ? (Str){equals + 1, (size_t)(to - equals - 1)} : (Str){"", 0};
    p->type = (Str){s->text + *used, 0};
    for (const char *c = from; c < blank; c++) {
        if (*c == '(' && memchr(c, ')', (size_t)(blank - c)) && c > from && c[-1] != ' ') { // an annotation: (a!)
            p->writes = p->writes || memchr(c, '!', (size_t)((const char *)memchr(c, ')', (size_t)(blank - c)) - c));
            c = memchr(c, ')', (size_t)(blank - c));
            continue;
        }
        if (strncmp(c, "SymInt", 6) == 0) {
            if (*used + 3 >= sizeof s->text)
                return false;
            memcpy(s->text + *used, "int", 3);
            *used += 3;
            c += 5;
            continue;
        }
        if (*used + 1 >= sizeof s->text)
            return false;
        s->text[(*used)++] = *c;
    }
    p->type.len = (size_t)(s->text + *used - p->type.ptr);
    s->written += p->writes;
    return true;
}

bool signature_read(Signature *s, const char *text)
{
    size_t used = 0;
    s->count = s->written = 0;
    memset(s->params, 0, sizeof s->params);
    int depth = 0;
    const char *from = text + 1;
    for (const char *c = from; *c; c++) {
        if (depth == 0 && (*c == ',' || *c == ')')) {
            if (!param_add(s, &used, from, c))
                return false;
            if (*c == ')')
                return true;
            from = c + 1;
        }
        depth += (*c == '(' || *c == '[') - (*c == ')' || *c == ']');
    }
    return false;
}
