// Compile errors: message, place, source line, and the jump to whoever set the arena's guard.
// The words follow PyTorch where it has words for the same mistake.
#include "ir/failure.h"

#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_MAX = 1200, LINE_SHOWN = 160 };

_Noreturn void fail_forward(Failure *f, Status code)
{
    f->code = code;
    longjmp(*f->arena->guard, 1);
}

_Noreturn void fail_plain(Failure *f, Status code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    status_vfail(code, fmt, ap);
    va_end(ap);
    fail_forward(f, code);
}

Str take_text(Arena *a, Buf *b)
{
    jmp_buf *guard = a->guard;
    a->guard = NULL; // the Buf must be freed first
    Str s = buf_status(b) == ST_OK ? arena_str(a, buf_view(b)) : (Str){0};
    a->guard = guard;
    buf_free(b);
    if (!s.ptr && guard)
        longjmp(*guard, 1);
    return s;
}

void source_position(const Source *s, uint32_t at, int *line, int *column)
{
    size_t start = 0;
    int n = 1;
    if (at > s->text.len)
        at = (uint32_t)s->text.len;
    for (size_t i = 0; i < at; i++)
        if (s->text.ptr[i] == '\n') {
            n++;
            start = i + 1;
        }
    *line = n;
    *column = (int)(at - start);
}

_Noreturn void fail_at(Failure *f, const Source *source, uint32_t at, Status code, const char *fmt, ...)
{
    char message[MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    int line, column;
    source_position(source, at, &line, &column);
    size_t begin = at < source->text.len ? at : source->text.len;
    size_t start = begin - (size_t)column, end = start;
    while (end < source->text.len && source->text.ptr[end] != '\n' && end - start < LINE_SHOWN)
        end++;
    status_fail(code, "%s\n  at " STR_FMT ":%d:%d\n    %.*s", message, STR_ARG(source->file), line, column,
                (int)(end - start), source->text.ptr + start);
    fail_forward(f, code);
}
