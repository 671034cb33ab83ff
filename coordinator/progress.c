// The progress line.
// On a terminal it is redrawn in place twice a second; in a log file it would only be noise, so a line comes rarely.
#include "coordinator/progress.h"

#include <stdio.h>
#include <unistd.h>

void progress_number(Buf *out, int64_t n)
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%lld", (long long)n);
    for (int i = 0; i < len; i++) {
        buf_char(out, digits[i]);
        if ((len - 1 - i) % 3 == 0 && i + 1 < len)
            buf_char(out, ',');
    }
}

void progress_start(Progress *p, const char *when, bool quiet, int64_t total, int64_t before, double now)
{
    bool terminal = isatty(STDERR_FILENO);
    *p = (Progress){.terminal = terminal, .total = total, .before = before, .start = now, .shown = now};
    p->on = when[0] == 'a' && when[1] == 'l' ? true : when[0] == 'n' ? false : terminal && !quiet;
}

static void print_duration(Buf *out, double seconds)
{
    long long s = (long long)(seconds + 0.5);
    if (s >= 3600)
        buf_printf(out, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
        buf_printf(out, "%lld:%02lld", s / 60, s % 60);
}

void progress_text(Buf *out, const Progress *p, int64_t done, int64_t errors, double now)
{
    progress_number(out, done);
    buf_z(out, " of ");
    progress_number(out, p->total);
    buf_z(out, " samples");
    double elapsed = now - p->start;
    if (done > p->before && elapsed > 0) {
        double rate = (double)(done - p->before) / elapsed;
        if (rate >= 100) {
            buf_z(out, ", ");
            progress_number(out, (int64_t)(rate + 0.5));
            buf_z(out, "/s, ");
        } else {
            buf_printf(out, ", %.3g/s, ", rate);
        }
        print_duration(out, (double)(p->total - done) / rate);
        buf_z(out, " left");
    }
    if (errors > 0)
        buf_printf(out, ", %lld error%s", (long long)errors, errors == 1 ? "" : "s");
}

void progress_show(Progress *p, int64_t done, int64_t errors, double now)
{
    if (!p->on || now - p->shown < (p->terminal ? 0.5 : 10))
        return;
    p->shown = now;
    Buf line = {0};
    if (p->terminal)
        buf_char(&line, '\r');
    progress_text(&line, p, done, errors, now);
    int width = (int)line.len;
    if (p->terminal && width < p->width)
        buf_fill(&line, ' ', (size_t)(p->width - width));
    p->width = width;
    if (!p->terminal)
        buf_char(&line, '\n');
    if (!line.failed && write(STDERR_FILENO, line.ptr, line.len) < 0)
        p->on = false;
    buf_free(&line);
}

void progress_end(Progress *p)
{
    if (p->on && p->terminal && p->width > 0)
        fprintf(stderr, "\r%*s\r", p->width, "");
    p->width = 0;
}
