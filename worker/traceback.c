// The text of an exception of the model, laid out as PyTorch does (torchscript.md §5.9): the call stack in the serialized
// source, then in the original source when the archive has debug files, then the exception itself.
#include "worker/interp.h"

#include "io/base/buf.h"

enum { CONTEXT_LINES = 3 }; // line breaks looked back and ahead for

typedef struct Location {
    Str file, text;    // text: what the lines are taken from
    size_t start, end; // of the range in text
    int line;          // of start, from 1
} Location;

// ---- finding the place

// The function whose definition is the last one before `at`: inlined nodes do not say which they come from.
static Str enclosing_function(Str text, size_t at)
{
    for (size_t i = at; i-- > 0;) {
        if (text.len - i < 4 || memcmp(text.ptr + i, "def ", 4) != 0 || (i && text.ptr[i - 1] != ' ' && text.ptr[i - 1] != '\n'))
            continue;
        Str name = str_from(text, i + 4);
        size_t len = 0;
        while (len < name.len && name.ptr[len] != '(' && name.ptr[len] != '\n')
            len++;
        return str_first(name, len);
    }
    return STR("<unknown>");
}

static int line_of(Str text, size_t at)
{
    int line = 1;
    for (size_t i = 0; i < at && i < text.len; i++)
        line += text.ptr[i] == '\n';
    return line;
}

static bool serialized_location(const SourceRange *r, Location *out)
{
    if (!r->source || r->end > r->source->text.len || r->start > r->end)
        return false;
    *out = (Location){.file = r->source->file, .text = r->source->text, .start = r->start, .end = r->end, .line = line_of(r->source->text, r->start)};
    return true;
}

// Item i of a tuple or list, when it has the kind asked for.
static const Datum *item(const Datum *d, uint32_t i, DatumKind kind)
{
    bool sequence = d && (d->kind == DATUM_TUPLE || d->kind == DATUM_LIST);
    return sequence && i < d->count && d->items[i]->kind == kind ? d->items[i] : NULL;
}

static const Datum *sequence(const Datum *d, uint32_t i)
{
    const Datum *t = item(d, i, DATUM_TUPLE);
    return t ? t : item(d, i, DATUM_LIST);
}

// The record of a debug file (§1.6) for a byte offset: the last one at or before it.
static const Datum *debug_record(const Datum *records, uint32_t offset)
{
    const Datum *found = NULL;
    for (uint32_t i = 0; records && i < records->count; i++) {
        const Datum *at = item(records->items[i], 0, DATUM_INT);
        if (at && at->i >= 0 && (uint64_t)at->i <= offset)
            found = records->items[i];
    }
    return found;
}

// The text of a source: its lines, by number in the table of texts, one after the other.
static void debug_text(Buf *out, const Datum *texts, const Datum *lines)
{
    for (uint32_t i = 0; i < lines->count; i++) {
        const Datum *number = item(lines, i, DATUM_INT);
        const Datum *line = number && number->i >= 0 && number->i < texts->count ? item(texts, (uint32_t)number->i, DATUM_STR) : NULL;
        if (line)
            buf_str(out, line->s);
    }
}

// A record is (offset, (source, start, end), tag), a source (line numbers, file number, first line).
static bool original_location(const SourceRange *r, Buf *text, Location *out)
{
    const Datum *debug = r->source ? r->source->debug : NULL;
    const Datum *texts = sequence(debug, 1), *range = sequence(debug_record(sequence(debug, 2), r->start), 1), *source = sequence(range, 0);
    const Datum *start = item(range, 1, DATUM_INT), *end = item(range, 2, DATUM_INT);
    const Datum *lines = sequence(source, 0), *file = item(source, 1, DATUM_INT), *first = item(source, 2, DATUM_INT);
    if (lines && lines->count == 1 && sequence(lines, 0)) // a tuple around the list
        lines = sequence(lines, 0);
    if (!texts || !lines || !start || !end || !file || !first || start->i < 0 || end->i < start->i || file->i < 0 || file->i >= texts->count)
        return false;
    const Datum *name = item(texts, (uint32_t)file->i, DATUM_STR);
    buf_clear(text);
    debug_text(text, texts, lines);
    if (!name || !name->s.len || text->failed || (uint64_t)end->i > text->len)
        return false;
    *out = (Location){.file = name->s, .text = buf_view(text), .start = (size_t)start->i, .end = (size_t)end->i};
    out->line = (int)first->i + line_of(out->text, out->start) - 1;
    return true;
}

// ---- writing it

// Lines of the range, a mark under each of its parts, and up to two lines before and after.
static void highlight(Buf *out, const Location *l)
{
    Str s = l->text;
    size_t begin = l->start, end = l->end;
    for (int breaks = 0; begin > 0; begin--)
        if (s.ptr[begin - 1] == '\n' && ++breaks == CONTEXT_LINES)
            break;
    for (int breaks = 0; end < s.len; end++)
        if (s.ptr[end] == '\n' && ++breaks == CONTEXT_LINES)
            break;
    for (size_t line = begin; line < end;) {
        size_t stop = line;
        while (stop < end && s.ptr[stop] != '\n')
            stop++;
        buf_str(out, (Str){s.ptr + line, stop - line});
        buf_char(out, '\n');
        if (line < l->end && stop > l->start) {
            size_t from = l->start > line ? l->start : line, to = l->end < stop ? l->end : stop;
            while (from < to && line > l->start && s.ptr[from] == ' ') // further lines: not under their indentation
                from++;
            buf_fill(out, ' ', from - line);
            buf_fill(out, '~', to - from);
            buf_z(out, to == l->end ? " <--- HERE\n" : "\n");
        }
        line = stop + 1;
    }
}

static void write_frame(Buf *out, const Location *l, Str function)
{
    buf_printf(out, "  File \"" STR_FMT "\", line %d, in " STR_FMT "\n", STR_ARG(l->file), l->line, STR_ARG(function));
    highlight(out, l);
}

// One level of the stack: a place and the function it lies in ("" when not known).
typedef struct Level { const SourceRange *range; Str function; } Level;
enum { LEVEL_LIMIT = 128 };

// The levels of one frame, innermost first: calls that were inlined into its code count as levels.
static uint32_t add_levels(Level *levels, uint32_t count, const TraceFrame *f)
{
    if (!f->node)
        return count;
    Str own = f->code->function ? f->code->function->name : STR("");
    const Frame *inlined = f->node->frame;
    const SourceRange *range = &f->node->range;
    for (; count < LEVEL_LIMIT; inlined = inlined->caller) {
        levels[count++] = (Level){range, inlined ? inlined->function : own};
        if (!inlined)
            break;
        range = &inlined->call;
    }
    return count;
}

// The last line: a class that the program named itself ("builtins.ValueError: …") stays; whatever an operator raises is a
// RuntimeError to TorchScript, also what eager PyTorch calls IndexError.
static void write_exception(Buf *out, const char *message)
{
    size_t len = strspn(message, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.");
    bool named = len > 0 && message[len] == ':' && message[len + 1] == ' ';
    if (!named || !memchr(message, '.', len)) {
        buf_z(out, "RuntimeError: ");
        if (named && len > 5 && memcmp(message + len - 5, "Error", 5) == 0)
            message += len + 2;
    }
    buf_z(out, message);
    buf_char(out, '\n');
}

Status traceback_raise(const TraceFrame *frames, uint32_t count)
{
    Buf out = {0}, original = {0}, text = {0};
    Level levels[LEVEL_LIMIT];
    uint32_t level_count = 0;
    for (uint32_t i = 0; i < count; i++)
        level_count = add_levels(levels, level_count, &frames[i]);
    buf_z(&out, "The following operation failed in the TorchScript interpreter.\n"
                "Traceback of TorchScript, serialized code (most recent call last):\n");
    for (uint32_t i = level_count; i-- > 0;) {
        Location l;
        if (!serialized_location(levels[i].range, &l))
            continue;
        Str function = levels[i].function.len ? levels[i].function : enclosing_function(l.text, l.start);
        write_frame(&out, &l, function);
        if (original_location(levels[i].range, &text, &l))
            write_frame(&original, &l, function);
    }
    if (original.len) {
        buf_z(&out, "\nTraceback of TorchScript, original code (most recent call last):\n");
        buf_str(&out, buf_view(&original));
    }
    write_exception(&out, status_message());
    Status status = out.failed ? ST_RAISED : status_fail(ST_RAISED, STR_FMT, STR_ARG(buf_view(&out)));
    buf_free(&out);
    buf_free(&original);
    buf_free(&text);
    return status;
}
