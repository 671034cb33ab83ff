// Status codes: names, exit codes, and the per-thread message.
// The message lives in a fixed buffer, so that running out of memory can still be reported.
#include "io/base/status.h"

#include <stdio.h>
#include <string.h>

enum { MESSAGE_MAX = 16384 };

static _Thread_local char message[MESSAGE_MAX];

static const struct {
    const char *name;
    const char *noun;
    int exit_code;
} table[] = {
#define X(code, exit_code, noun) {#code, noun, exit_code},
    STATUS_LIST(X)
#undef X
};

Status status_vfail(Status code, const char *fmt, va_list ap)
{
    // The arguments may point into the present message: format beside it first.
    char text[MESSAGE_MAX];
    vsnprintf(text, sizeof text, fmt, ap);
    memcpy(message, text, strlen(text) + 1);
    return code;
}

Status status_fail(Status code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    status_vfail(code, fmt, ap);
    va_end(ap);
    return code;
}

Status status_context(Status code, const char *fmt, ...)
{
    char text[MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    int used = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (used < 0 || used >= MESSAGE_MAX - 3)
        return code;
    snprintf(text + used, sizeof text - (size_t)used, ": %s", message);
    memcpy(message, text, strlen(text) + 1);
    return code;
}

const char *status_message(void) { return message; }
void status_clear(void) { message[0] = '\0'; }
const char *status_name(Status code) { return table[code].name; }
const char *status_noun(Status code) { return table[code].noun; }
int status_exit_code(Status code) { return table[code].exit_code; }

Status status_from_name(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].name, name) == 0)
            return (Status)i;
    return ST_INTERNAL;
}

Status status_no_memory(size_t bytes)
{
    return status_fail(ST_MEMORY, "no memory for %zu bytes", bytes);
}
