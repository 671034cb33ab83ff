// Messages for people, on stderr.
// A line is formatted beside and written with one call, so that ranks and lanes do not interleave inside it.
#include "io/base/log.h"

#include <stdio.h>
#include <unistd.h>

static LogLevel max_level = LOG_WARNING;
static const char *line_prefix = "";

void log_configure(LogLevel level, const char *prefix)
{
    max_level = level;
    line_prefix = prefix;
}

LogLevel log_level(void) { return max_level; }

void log_message(LogLevel level, const char *fmt, ...)
{
    static const char *const names[] = {"error: ", "warning: ", "", ""};
    if (level > max_level)
        return;
    char text[20000];
    int used = snprintf(text, sizeof text - 1, "%s%s", line_prefix, names[level]);
    va_list ap;
    va_start(ap, fmt);
    int more = vsnprintf(text + used, sizeof text - 1 - (size_t)used, fmt, ap);
    va_end(ap);
    if (more < 0)
        return;
    size_t len = (size_t)used + (size_t)more;
    if (len > sizeof text - 2)
        len = sizeof text - 2;
    text[len++] = '\n';
    // Nothing can be done for a message that stderr does not take.
    if (write(STDERR_FILENO, text, len) < 0)
        return;
}
