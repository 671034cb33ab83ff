// Operator bindings: strings. They are bytes, case rules are ASCII's, and the quirks are libtorch's (torchscript.md §14.2,
// §14.3): where its behaviour differs from Python's, it is the one that counts.
#include "worker/op_util.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>

static Str text_of(IValue v) { return str_of_value(v); }

// Hands over what is in `b`, which is freed.
static Status ret_buf(Buf *b, IValue *ret)
{
    Status status = buf_status(b);
    if (status == ST_OK)
        status = value_str(buf_view(b), ret);
    buf_free(b);
    return status;
}

static Str str_slice(Str s, size_t from, size_t to) { return (Str){s.ptr + from, to - from}; }

// Position of `what` in s at or after `from` (before or at s.len - what.len), or -1.
static ptrdiff_t find_from(Str s, Str what, size_t from)
{
    if (what.len > s.len || from > s.len - what.len)
        return -1;
    if (what.len == 0)
        return (ptrdiff_t)from;
    const char *at = memmem(s.ptr + from, s.len - from, what.ptr, what.len);
    return at ? at - s.ptr : -1;
}

static ptrdiff_t find_last(Str s, Str what)
{
    for (size_t at = what.len > s.len ? 0 : s.len - what.len + 1; at > 0; at--)
        if (memcmp(s.ptr + at - 1, what.ptr, what.len) == 0)
            return (ptrdiff_t)at - 1;
    return -1;
}

// ---- Single characters --------------------------------------------------------------------------------------------------

OP_FN(op_len)
{
    rets[0] = value_int(args[0].as.str->len);
    return ST_OK;
}

OP_FN(op_getitem)
{
    Str s = text_of(args[0]);
    int64_t at = args[1].as.i < 0 ? args[1].as.i + (int64_t)s.len : args[1].as.i;
    if (at < 0 || at >= (int64_t)s.len)
        return op_raise("basic_string::at: __n (which is %llu) >= this->size() (which is %zu)", (unsigned long long)at, s.len);
    return value_str(str_slice(s, (size_t)at, (size_t)at + 1), &rets[0]);
}

OP_FN(op_ord)
{
    Str s = text_of(args[0]);
    if (s.len != 1)
        return op_raise("String for ord() must be 1 character, found %zu", s.len);
    rets[0] = value_int((uint8_t)s.ptr[0]);
    return ST_OK;
}

OP_FN(op_chr)
{
    int64_t code = args[0].as.i;
    if (code < 0 || code >= 0x110000)
        return op_raise("chr() arg not in range(0x110000), found %lld", (long long)code);
    char byte = (char)code; // one byte, whatever the code
    return value_str((Str){&byte, 1}, &rets[0]);
}

OP_FN(op_list)
{
    Str s = text_of(args[0]);
    ListObj *l = list_new(type_of_kind(lane->types, TYPE_STR), (uint32_t)s.len);
    Status status = l ? ST_OK : ST_MEMORY;
    for (size_t i = 0; i < s.len && status == ST_OK; i++) {
        status = value_str(str_slice(s, i, i + 1), &l->items[i]);
        l->len += status == ST_OK;
    }
    if (status == ST_OK)
        rets[0] = value_list_take(l);
    else if (l)
        value_release(value_list_take(l));
    return status;
}

OP_FN(op_slice)
{
    Str s = text_of(args[0]);
    int64_t n = (int64_t)s.len, step = args[3].as.i;
    if (step == 0)
        return op_raise("List slice should have non-zero step");
    int64_t lowest = step < 0 ? -1 : 0, highest = step < 0 ? n - 1 : n;
    int64_t start = arg_int_or(args[1], step < 0 ? INT64_MAX : 0), end = arg_int_or(args[2], step < 0 ? INT64_MIN : INT64_MAX);
    start = start < 0 ? start + n : start;
    end = end < 0 ? (end < -n ? lowest : end + n) : end;
    start = start < lowest ? lowest : start > highest ? highest : start;
    end = end < lowest ? lowest : end > highest ? highest : end;
    Buf out = {0};
    while (step > 0 ? start < end : start > end) {
        buf_char(&out, s.ptr[start]);
        if (__builtin_add_overflow(start, step, &start))
            break;
    }
    return ret_buf(&out, rets);
}

// ---- Case and kinds of characters ---------------------------------------------------------------------------------------

static bool is_ascii(char c) { return (uint8_t)c < 128; }
static char lower(char c) { return is_ascii(c) ? (char)tolower(c) : c; }
static char upper(char c) { return is_ascii(c) ? (char)toupper(c) : c; }
static bool alpha(char c) { return is_ascii(c) && isalpha(c); }

// Each byte of s through `map`, which sees whether the byte before it was a letter.
static Status mapped(IValue v, char (*map)(char c, bool first, bool after_letter), IValue *ret)
{
    Str s = text_of(v);
    Buf out = {0};
    for (size_t i = 0; i < s.len; i++)
        buf_char(&out, map(s.ptr[i], i == 0, i > 0 && alpha(s.ptr[i - 1])));
    return ret_buf(&out, ret);
}

#define UNUSED __attribute__((unused))
static char map_lower(char c, UNUSED bool first, UNUSED bool after) { return lower(c); }
static char map_upper(char c, UNUSED bool first, UNUSED bool after) { return upper(c); }
static char map_capitalize(char c, bool first, UNUSED bool after) { return first ? upper(c) : lower(c); }
static char map_title(char c, UNUSED bool first, bool after) { return after ? lower(c) : upper(c); }
static char map_swapcase(char c, UNUSED bool first, UNUSED bool after) { return upper(c) == c ? lower(c) : upper(c); }

typedef struct CaseMap { char (*map)(char, bool, bool); } CaseMap;

OP_FN(op_case)
{
    const CaseMap *m = site->op->data;
    return mapped(args[0], m->map, rets);
}

// All bytes are of a kind, and there is at least one.
typedef struct CharTest { int (*test)(int); } CharTest;

OP_FN(op_all_chars)
{
    const CharTest *t = site->op->data;
    Str s = text_of(args[0]);
    bool all = s.len > 0;
    for (size_t i = 0; i < s.len && all; i++)
        all = is_ascii(s.ptr[i]) && t->test(s.ptr[i]);
    rets[0] = value_bool(all);
    return ST_OK;
}

OP_FN(op_isprintable)
{
    Str s = text_of(args[0]);
    bool all = true;
    for (size_t i = 0; i < s.len && all; i++)
        all = is_ascii(s.ptr[i]) && isprint(s.ptr[i]);
    rets[0] = value_bool(all);
    return ST_OK;
}

OP_FN(op_isidentifier) // letters and digits only: no underscore
{
    Str s = text_of(args[0]);
    bool all = s.len > 0 && !isdigit((uint8_t)s.ptr[0]);
    for (size_t i = 0; i < s.len && all; i++)
        all = is_ascii(s.ptr[i]) && isalnum(s.ptr[i]);
    rets[0] = value_bool(all);
    return ST_OK;
}

// isupper, islower: some letter, and none of the other case.
OP_FN(op_one_case)
{
    const CharTest *t = site->op->data;
    Str s = text_of(args[0]);
    bool found = false, all = true;
    for (size_t i = 0; i < s.len && all; i++) {
        found |= alpha(s.ptr[i]);
        all = !alpha(s.ptr[i]) || t->test(s.ptr[i]);
    }
    rets[0] = value_bool(found && all);
    return ST_OK;
}

OP_FN(op_istitle)
{
    Str s = text_of(args[0]);
    bool letters = false, title = true;
    for (size_t i = 0; i < s.len && title; i++) {
        bool after = i > 0 && alpha(s.ptr[i - 1]);
        title = s.ptr[i] == (after ? lower(s.ptr[i]) : upper(s.ptr[i]));
        letters |= alpha(s.ptr[i]);
    }
    rets[0] = value_bool(letters && title);
    return ST_OK;
}

// ---- Padding and stripping ----------------------------------------------------------------------------------------------

// center, ljust, rjust, zfill: self, width, fillchar.
typedef enum Side { PAD_BOTH, PAD_RIGHT, PAD_LEFT, PAD_ZERO } Side;
static const Side SIDES[] = {PAD_BOTH, PAD_RIGHT, PAD_LEFT, PAD_ZERO};

OP_FN(op_pad)
{
    Side side = *(const Side *)site->op->data;
    Str s = text_of(args[0]), fill = side == PAD_ZERO ? STR("0") : text_of(args[2]);
    if (fill.len != 1)
        return op_raise("TypeError: The fill character must be exactly one character long");
    int64_t missing = args[1].as.i > (int64_t)s.len ? args[1].as.i - (int64_t)s.len : 0;
    if (missing > INT32_MAX)
        return status_fail(ST_MEMORY, "string is too long (limit %d bytes)", INT32_MAX);
    // center: an odd blank goes to the left when the width is odd, else to the right.
    int64_t half = missing / 2 + (missing & args[1].as.i & 1);
    size_t left = (size_t)(side == PAD_RIGHT ? 0 : side == PAD_BOTH ? half : missing);
    Buf out = {0};
    buf_fill(&out, fill.ptr[0], left);
    buf_str(&out, s);
    buf_fill(&out, fill.ptr[0], (size_t)missing - left);
    return ret_buf(&out, rets);
}

// strip, lstrip, rstrip: `data` is the sides, 1 left and 2 right.
OP_FN(op_strip)
{
    int sides = *(const int *)site->op->data;
    Str s = text_of(args[0]), set = text_of(args[1]);
    while (sides & 1 && s.len && str_find(set, s.ptr[0]) >= 0)
        s = str_from(s, 1);
    while (sides & 2 && s.len && str_find(set, s.ptr[s.len - 1]) >= 0)
        s.len--;
    return value_str(s, &rets[0]);
}

OP_FN(op_expandtabs)
{
    Str s = text_of(args[0]);
    int64_t size = args[1].as.i, column = 0; // newlines count as any other byte
    Buf out = {0};
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '\t') {
            buf_char(&out, s.ptr[i]);
            column++;
        } else if (size > 0) {
            int64_t blanks = size - column % size;
            if (blanks > INT32_MAX) {
                buf_free(&out);
                return status_fail(ST_MEMORY, "string is too long (limit %d bytes)", INT32_MAX);
            }
            buf_fill(&out, ' ', (size_t)blanks);
            column += blanks;
        }
    }
    return ret_buf(&out, rets);
}

// ---- Searching ----------------------------------------------------------------------------------------------------------

// start and end of find, count, startswith …: an end of -1 means the end of the string, not the last byte.
static void bounds(Str s, int64_t *start, int64_t *end)
{
    int64_t n = (int64_t)s.len;
    if (*start < 0)
        *start = *start + n > 0 ? *start + n : 0;
    if (*end < 0)
        *end = *end + n + 1 > 0 ? *end + n + 1 : 0;
}

static Status outside(int64_t start, Str s)
{
    return op_raise("basic_string::substr: __pos (which is %lld) > this->size() (which is %zu)", (long long)start, s.len);
}

static Status find(const IValue *args, bool last, int64_t *out)
{
    Str s = text_of(args[0]), what = text_of(args[1]);
    int64_t start = args[2].as.i, end = args[3].as.i;
    bounds(s, &start, &end);
    if (end > start && start > (int64_t)s.len)
        return outside(start, s);
    if (end > (int64_t)s.len)
        end = (int64_t)s.len;
    Str part = end > start ? str_slice(s, (size_t)start, (size_t)end) : (Str){"", 0};
    ptrdiff_t at = last ? find_last(part, what) : find_from(part, what, 0);
    *out = at < 0 ? -1 : at + start;
    return ST_OK;
}

static Status find_or_raise(const IValue *args, bool last, bool must_be_there, IValue *ret)
{
    int64_t at;
    TRY(find(args, last, &at));
    if (at < 0 && must_be_there)
        return op_raise("ValueError: substring not found");
    *ret = value_int(at);
    return ST_OK;
}

OP_FN(op_find_first)
{
    return find_or_raise(args, false, false, rets);
}

OP_FN(op_rfind)
{
    return find_or_raise(args, true, false, rets);
}

OP_FN(op_index)
{
    return find_or_raise(args, false, true, rets);
}

OP_FN(op_rindex)
{
    return find_or_raise(args, true, true, rets);
}

OP_FN(op_count)
{
    Str s = text_of(args[0]), what = text_of(args[1]);
    int64_t start = args[2].as.i, end = args[3].as.i, count = 0;
    bounds(s, &start, &end);
    if (start <= (int64_t)s.len && what.len == 0) // libtorch would never return
        count = end < start ? 0 : (end > (int64_t)s.len ? (int64_t)s.len : end) - start + 1;
    else if (start <= (int64_t)s.len)
        for (ptrdiff_t at = start; (at = find_from(s, what, (size_t)at)) >= 0 && at < end; at += (ptrdiff_t)what.len)
            count++;
    rets[0] = value_int(count);
    return ST_OK;
}

OP_FN(op_startswith)
{
    Str s = text_of(args[0]), what = text_of(args[1]);
    int64_t start = args[2].as.i, end = args[3].as.i;
    bounds(s, &start, &end);
    if (start > (int64_t)s.len)
        return outside(start, s);
    if (end > (int64_t)s.len || end < start) // a length below zero is as good as none
        end = (int64_t)s.len;
    rets[0] = value_bool(str_starts(str_slice(s, (size_t)start, (size_t)end), what));
    return ST_OK;
}

OP_FN(op_endswith)
{
    Str s = text_of(args[0]), what = text_of(args[1]);
    int64_t start = args[2].as.i, end = args[3].as.i;
    bounds(s, &start, &end);
    if (start > (int64_t)s.len)
        return outside(start, s);
    if (end > (int64_t)s.len || end < start)
        end = (int64_t)s.len;
    rets[0] = value_bool(str_ends(str_slice(s, (size_t)start, (size_t)end), what));
    return ST_OK;
}

// ---- Cutting and joining ------------------------------------------------------------------------------------------------

OP_FN(op_add)
{
    Buf out = {0};
    buf_str(&out, text_of(args[0]));
    buf_str(&out, text_of(args[1]));
    return ret_buf(&out, rets);
}

OP_FN(op_join)
{
    const ListObj *l = args[1].as.list;
    Buf out = {0};
    for (uint32_t i = 0; i < l->len; i++) {
        if (i)
            buf_str(&out, text_of(args[0]));
        buf_str(&out, text_of(l->items[i]));
    }
    return ret_buf(&out, rets);
}

OP_FN(op_replace)
{
    Str s = text_of(args[0]), old = text_of(args[1]), new = text_of(args[2]);
    int64_t left = args[3].as.i;
    Buf out = {0};
    size_t from = 0;
    for (ptrdiff_t at; old.len && left != 0 && (at = find_from(s, old, from)) >= 0; from = (size_t)at + old.len) {
        buf_str(&out, str_slice(s, from, (size_t)at));
        buf_str(&out, new);
        if (left > 0)
            left--;
    }
    buf_str(&out, str_from(s, from));
    return ret_buf(&out, rets);
}

// A list of strings under construction; `status` is the first failure.
typedef struct Pieces {
    ListObj *list;
    Status status;
} Pieces;

static Pieces pieces_new(Lane *lane)
{
    ListObj *l = list_new(type_of_kind(lane->types, TYPE_STR), 4);
    return (Pieces){l, l ? ST_OK : ST_MEMORY};
}

static void pieces_add(Pieces *p, Str s)
{
    IValue v;
    if (p->status == ST_OK)
        p->status = value_str(s, &v);
    if (p->status == ST_OK)
        p->status = list_push_take(p->list, v);
}

static Status ret_pieces(Pieces *p, IValue *ret)
{
    if (p->status == ST_OK)
        *ret = value_list_take(p->list);
    else if (p->list)
        value_release(value_list_take(p->list));
    return p->status;
}

OP_FN(op_split) // without a separator at runs of blanks, and then `max` is not looked at
{
    Str s = text_of(args[0]);
    int64_t max = args[2].as.i;
    size_t from = 0;
    Pieces p;
    if (args[1].tag == TAG_NONE) {
        p = pieces_new(lane);
        for (size_t i = 0; i <= s.len; i++) {
            if (i < s.len && !(is_ascii(s.ptr[i]) && isspace(s.ptr[i])))
                continue;
            if (i > from)
                pieces_add(&p, str_slice(s, from, i));
            from = i + 1;
        }
        return ret_pieces(&p, rets);
    }
    Str separator = text_of(args[1]);
    if (separator.len == 0)
        return op_raise("ValueError: empty separator");
    p = pieces_new(lane);
    for (ptrdiff_t at; max != 0 && (at = find_from(s, separator, from)) >= 0; from = (size_t)at + separator.len, max -= max > 0)
        pieces_add(&p, str_slice(s, from, (size_t)at));
    pieces_add(&p, str_from(s, from));
    return ret_pieces(&p, rets);
}

OP_FN(op_rsplit) // cuts from the right
{
    Str s = text_of(args[0]), separator = text_of(args[1]);
    int64_t max = args[2].as.i;
    if (separator.len == 0)
        return op_raise("ValueError: empty separator");
    Pieces p = pieces_new(lane);
    for (ptrdiff_t at; max != 0 && (at = find_last(s, separator)) >= 0; s.len = (size_t)at, max -= max > 0)
        pieces_add(&p, str_from(s, (size_t)at + separator.len));
    pieces_add(&p, s);
    for (uint32_t i = 0, n = p.list ? p.list->len : 0; i < n / 2; i++) {
        IValue swap = p.list->items[i];
        p.list->items[i] = p.list->items[n - 1 - i];
        p.list->items[n - 1 - i] = swap;
    }
    return ret_pieces(&p, rets);
}

OP_FN(op_splitlines) // every byte of the set ends a line, so that \r\n ends two; with keepends it is a piece of its own
{
    Str s = text_of(args[0]), ends = STR("\n\r\v\f\x1c\x1d\x1e\x85\xe2\x80\xa8\xa9");
    size_t from = 0;
    Pieces p = pieces_new(lane);
    for (size_t i = 0; i < s.len; i++) {
        if (str_find(ends, s.ptr[i]) < 0)
            continue;
        pieces_add(&p, str_slice(s, from, i));
        if (args[1].as.b)
            pieces_add(&p, str_slice(s, i, i + 1));
        from = i + 1;
    }
    if (from < s.len)
        pieces_add(&p, str_from(s, from));
    return ret_pieces(&p, rets);
}

static Status ret_three(Str a, Str b, Str c, IValue *rets)
{
    IValue v[3];
    TRY(value_str(a, &v[0]));
    Status status = value_str(b, &v[1]);
    if (status == ST_OK && (status = value_str(c, &v[2])) != ST_OK)
        value_release(v[1]);
    if (status != ST_OK) {
        value_release(v[0]);
        return status;
    }
    memcpy(rets, v, sizeof v);
    return ST_OK;
}

OP_FN(op_partition)
{
    Str s = text_of(args[0]), separator = text_of(args[1]);
    ptrdiff_t at = find_from(s, separator, 0);
    if (at < 0)
        return ret_three(s, (Str){"", 0}, (Str){"", 0}, rets);
    return ret_three(str_first(s, (size_t)at), separator, str_from(s, (size_t)at + separator.len), rets);
}

OP_FN(op_rpartition)
{
    Str s = text_of(args[0]), separator = text_of(args[1]);
    ptrdiff_t at = find_last(s, separator);
    if (at < 0)
        return ret_three((Str){"", 0}, (Str){"", 0}, s, rets);
    return ret_three(str_first(s, (size_t)at), separator, str_from(s, (size_t)at + separator.len), rets);
}

// ---- Text of values -----------------------------------------------------------------------------------------------------

OP_FN(op_str)
{
    Buf out = {0};
    value_print(&out, args[0]);
    return ret_buf(&out, rets);
}

// hex, oct, bin: `data` is the number of bits of a digit.
OP_FN(op_digits)
{
    int bits = *(const int *)site->op->data, n = 0;
    uint64_t v = args[0].as.i < 0 ? 0 - (uint64_t)args[0].as.i : (uint64_t)args[0].as.i;
    char digits[64];
    do
        digits[n++] = "0123456789abcdef"[v & ((1u << bits) - 1)];
    while (v >>= bits);
    Buf out = {0};
    buf_z(&out, args[0].as.i < 0 ? "-0" : "0");
    buf_char(&out, bits == 4 ? 'x' : bits == 3 ? 'o' : 'b');
    while (n)
        buf_char(&out, digits[--n]);
    return ret_buf(&out, rets);
}

OP_FN(op_format) // only `{}` is a place; arguments left over do not matter
{
    Str f = text_of(args[0]);
    uint32_t next = 1;
    Buf out = {0};
    for (size_t i = 0; i < f.len; i++) {
        if (f.ptr[i] != '{' || i + 1 == f.len || f.ptr[i + 1] != '}') {
            buf_char(&out, f.ptr[i]);
            continue;
        }
        if (next == site->arg_count) {
            buf_free(&out);
            return op_raise("Too few arguments for format string: " STR_FMT, STR_ARG(f));
        }
        value_print(&out, args[next++]);
        i++;
    }
    return ret_buf(&out, rets);
}

static const char *tag_name(IValue v)
{
    switch ((ValueTag)v.tag) {
    case TAG_NONE: return "None";
    case TAG_BOOL: return "Bool";
    case TAG_INT: return "Int";
    case TAG_FLOAT: return "Double";
    case TAG_DEVICE: return "Device";
    case TAG_TENSOR: return "Tensor";
    case TAG_STR: return "String";
    case TAG_LIST: return "GenericList";
    case TAG_TUPLE: return "Tuple";
    case TAG_DICT: return "GenericDict";
    case TAG_OBJECT: return "Object";
    case TAG_COMPLEX: return "ComplexDouble";
    case TAG_ENUM: return "Enum";
    default: return "Uninitialized";
    }
}

// One conversion of a % format. Floats are rounded to float32 first; %d takes their 32-bit integer part.
static Status format_percent(Buf *out, char key, IValue v)
{
    switch (key) {
    case 'd':
    case 'i':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
        if (v.tag != TAG_INT && v.tag != TAG_FLOAT)
            return op_raise("%%%c requires a number for formatting, but got %s", key, tag_name(v));
        if (key == 'd' || key == 'i') {
            float f = v.tag == TAG_FLOAT ? (float)v.as.f : 0;
            int truncated = f >= -2147483648.0f && f < 2147483648.0f ? (int)f : INT_MIN;
            buf_printf(out, "%lld", v.tag == TAG_INT ? (long long)v.as.i : (long long)truncated);
        } else {
            double x = (double)(float)arg_double(v);
            if (key == 'e' || key == 'E')
                buf_printf(out, key == 'e' ? "%e" : "%E", x);
            else
                buf_printf(out, "%f", x);
        }
        return ST_OK;
    case 'c':
        if (v.tag == TAG_INT)
            buf_char(out, (char)v.as.i);
        else if (v.tag == TAG_STR && v.as.str->len == 1)
            buf_char(out, v.as.str->bytes[0]);
        else
            return op_raise("%%c requires an int or char for formatting, but got %s", tag_name(v));
        return ST_OK;
    case 's': value_print(out, v); return ST_OK;
    default: return op_raise("The specifier %%%c is not supported in TorchScript format strings", key);
    }
}

OP_FN(op_percent_format) // self, and one value or a tuple of them
{
    Str f = text_of(args[0]);
    const IValue *values = args + 1;
    uint32_t count = site->arg_count > 1 ? site->arg_count - 1u : 0, next = 0;
    if (count == 1 && values[0].tag == TAG_TUPLE) {
        count = values[0].as.tuple->len;
        values = values[0].as.tuple->items;
    }
    Buf out = {0};
    Status status = ST_OK;
    for (size_t i = 0; i < f.len && status == ST_OK; i++) {
        if (f.ptr[i] != '%') {
            buf_char(&out, f.ptr[i]);
        } else if (++i == f.len) {
            status = op_raise("Incomplete format specifier");
        } else if (f.ptr[i] == '%') {
            buf_char(&out, '%');
        } else if (next == count) {
            status = op_raise("Too few arguments for format string");
        } else {
            status = format_percent(&out, f.ptr[i], values[next++]);
        }
    }
    if (status == ST_OK && next < count)
        status = op_raise("Too many arguments for format string");
    if (status != ST_OK) {
        buf_free(&out);
        return status;
    }
    return ret_buf(&out, rets);
}

OP_FN(op_print)
{
    fprintf(lane->print_to, STR_FMT, STR_ARG(text_of(args[0])));
    return ST_OK;
}

static const int ONE = 1, TWO = 2, THREE = 3, FOUR = 4;

#define ROW(name, fn) {name, fn, 0, NULL, NULL}
#define CASE(name, fn) {name, op_case, 0, &(const CaseMap){fn}, NULL}
#define ALL(name, test) {name, op_all_chars, 0, &(const CharTest){test}, NULL}
#define WITH(name, fn, value) {name, fn, 0, &value, NULL}

const OpBinding OPS_STRING[] = {
    ROW("aten::len.str", op_len), ROW("aten::__getitem__.str", op_getitem), ROW("prim::StringIndex", op_getitem),
    ROW("aten::ord", op_ord), ROW("aten::chr", op_chr), ROW("aten::list", op_list), ROW("aten::slice.str", op_slice),
    CASE("aten::lower", map_lower), CASE("aten::upper", map_upper), CASE("aten::capitalize", map_capitalize),
    CASE("aten::title", map_title), CASE("aten::swapcase", map_swapcase),
    ALL("aten::isalpha", isalpha), ALL("aten::isdigit", isdigit), ALL("aten::isdecimal", isdigit), ALL("aten::isnumeric", isdigit),
    ALL("aten::isalnum", isalnum), ALL("aten::isspace", isspace), ROW("aten::isprintable", op_isprintable),
    ROW("aten::isidentifier", op_isidentifier), {"aten::isupper", op_one_case, 0, &(const CharTest){isupper}, NULL},
    {"aten::islower", op_one_case, 0, &(const CharTest){islower}, NULL}, ROW("aten::istitle", op_istitle),
    WITH("aten::center", op_pad, SIDES[PAD_BOTH]), WITH("aten::ljust", op_pad, SIDES[PAD_RIGHT]),
    WITH("aten::rjust", op_pad, SIDES[PAD_LEFT]), WITH("aten::zfill", op_pad, SIDES[PAD_ZERO]),
    WITH("aten::lstrip", op_strip, ONE), WITH("aten::rstrip", op_strip, TWO), WITH("aten::strip", op_strip, THREE),
    ROW("aten::expandtabs", op_expandtabs), ROW("aten::find", op_find_first), ROW("aten::rfind", op_rfind),
    ROW("aten::index.str", op_index), ROW("aten::rindex", op_rindex), ROW("aten::count", op_count),
    ROW("aten::startswith", op_startswith), ROW("aten::endswith", op_endswith), ROW("aten::add.str", op_add),
    ROW("aten::join", op_join), ROW("aten::replace", op_replace), ROW("aten::split.str", op_split),
    ROW("aten::rsplit", op_rsplit), ROW("aten::splitlines", op_splitlines), ROW("aten::partition", op_partition),
    ROW("aten::rpartition", op_rpartition), ROW("aten::str", op_str), WITH("aten::hex", op_digits, FOUR),
    WITH("aten::oct", op_digits, THREE), WITH("aten::bin", op_digits, ONE), ROW("aten::format", op_format),
    ROW("aten::percentFormat", op_percent_format), ROW("aten::_print", op_print),
    {0},
};
