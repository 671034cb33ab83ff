// The table of options, and the parser that reads it.
// A new option is one row here and one field of Options; --help, defaults and the echoed configuration follow.
#include "coordinator/options.h"

#include "coordinator/watch.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define RUN COMMAND_RUN
#define INSPECT COMMAND_INSPECT
#define BENCH COMMAND_BENCH
#define DIFF COMMAND_DIFF
#define ALL (RUN | INSPECT | BENCH | DIFF)

typedef enum OptionKind { FLAG, TEXT, CHOICE, INTEGER, NUMBER, BYTES, LIST, RANGE } OptionKind;

typedef struct OptionRow {
    const char *name;
    char letter; // 0: none
    OptionKind kind;
    int commands;       // bits of Command
    bool of_results;    // the output depends on it: recorded there, and compared on --resume
    const char *arg;    // as --help shows it; NULL for flags
    const char *preset; // default, in the syntax of the option; NULL: off, empty or 0
    const char *choices; // CHOICE: "a|b|c"
    double least;       // INTEGER and NUMBER: smallest accepted value
    size_t offset;      // of the field
    const char *help;   // the default is appended by options_help
} OptionRow;

#define AT(field) offsetof(Options, field)

static const OptionRow table[] = {
    {"input", 'i', LIST, RUN, true, "ARG=/DATASET[,…]", NULL, NULL, 0, AT(inputs),
     "bind an argument of the method to a data set; may be repeated. Without it an argument takes the data set of its "
     "name, or a single argument the single data set. What the data set needs first follows the name: cast=f32, "
     "scale=1/255, mean=0.5:0.4:0.4, std=0.2:0.2:0.2, permute=0:3:1:2"},
    {"input", 'i', LIST, BENCH, true, "[ARG=]SPEC", NULL, NULL, 0, AT(inputs),
     "a synthetic argument, by name or in order: f32[64,3,224,224] draws from [0, 1), i64[8,128]<1000 whole numbers below "
     "1000 (10 without a bound); numbers and True or False for arguments that are no tensors"},
    {"output", 'o', TEXT, RUN, false, "FILE", NULL, NULL, 0, AT(output),
     "write results here (default: DATA.out.h5 in the working directory)"},
    {"batch-size", 'b', INTEGER, RUN, false, "N", NULL, NULL, 1, AT(batch_size),
     "samples per call, or per lease with --per-sample (default: the largest power of two that is at most 256, at most "
     "8 MiB of input and at most a 16th of the samples)"},
    {"per-sample", 0, FLAG, RUN, true, NULL, NULL, NULL, 0, AT(per_sample),
     "call the method once per sample, without a batch dimension: for models whose control flow looks at the data"},
    {"method", 0, TEXT, RUN | BENCH, true, "NAME", "forward", NULL, 0, AT(method), "the method to call"},
    {"range", 0, RANGE, RUN, true, "A:B", NULL, NULL, 0, AT(range), "score only samples A to B, B left out; either end may be empty"},
    {"parallel", 0, CHOICE, RUN, false, "HOW", "auto", "auto|data|pipeline", 0, AT(parallel),
     "data: every rank runs the whole model on its own batches; pipeline: the graph is cut into stages, one rank each, and "
     "batches flow through them; auto: data if the model fits into memory, else whatever is predicted to be fastest"},
    {"stages", 0, INTEGER, RUN, false, "K", NULL, NULL, 1, AT(stages),
     "cut the graph into K stages; N ranks form N / K pipelines (default: chosen with --parallel)"},
    {"cut", 0, LIST, RUN, false, "after=MODULE[,…]", NULL, NULL, 0, AT(cuts),
     "cut behind these modules (layer2, layer3.0) and nowhere else: with n of them, n + 1 stages (default: where the slowest "
     "stage is fastest, by costs measured on the first batch)"},
    {"max-memory", 0, BYTES, RUN, false, "SIZE", NULL, NULL, 1, AT(max_memory),
     "memory that a rank may use, 1500M or 4G, when the graph is cut (default: what is free, divided by the ranks of the node)"},
    {"device", 0, CHOICE, RUN | BENCH, true, "DEVICE", "auto", "auto|cpu", 0, AT(device), "where to compute; auto is cpu"},
    {"precision", 0, CHOICE, RUN | BENCH, true, "P", "fp32", "fp32", 0, AT(precision), "arithmetic of the heavy operators"},
    {"stateful", 0, FLAG, RUN, true, NULL, NULL, NULL, 0, AT(stateful),
     "attributes that a call changes stay changed for the next one: all batches run in order on one lane of rank 0. "
     "Without it every call starts from what is in the file"},
    {"pad-last", 0, FLAG, RUN, true, NULL, NULL, NULL, 0, AT(pad_last),
     "fill the last batch by repeating its last row and drop the extra results: for models traced with a fixed batch"},
    {"lanes", 0, INTEGER, RUN | BENCH, false, "N", NULL, NULL, 1, AT(lanes),
     "batches in flight per rank, on one shared model (default: cores of the node / ranks on it)"},
    {"threads", 0, INTEGER, RUN | BENCH, false, "N", "1", NULL, 1, AT(threads), "threads inside one batch"},
    {"resume", 0, FLAG, RUN, false, NULL, NULL, NULL, 0, AT(resume),
     "continue the interrupted run that wrote the output; starts afresh when there is none"},
    {"overwrite", 0, FLAG, RUN, false, NULL, NULL, NULL, 0, AT(overwrite), "replace an existing output"},
    {"gather", 0, FLAG, RUN, false, NULL, NULL, NULL, 0, AT(gather),
     "send all rows to rank 0, which alone writes: for file systems that ranks do not share (noticed by itself where the "
     "output cannot be seen)"},
    {"on-error", 0, CHOICE, RUN, true, "WHAT", "stop", "stop|skip", 0, AT(on_error),
     "when the model raises: stop, or record the message under /errors, fill the rows (NaN, 0) and go on"},
    {"max-errors", 0, INTEGER, RUN, false, "N", NULL, NULL, 1, AT(max_errors),
     "with --on-error skip: stop after N errors (default: no limit)"},
    {"seed", 0, INTEGER, RUN | BENCH, true, "N", "0", NULL, 0, AT(seed),
     "random operators draw from a generator keyed by the seed and the sample: the same for any number of ranks"},
    {"report", 0, TEXT, RUN | BENCH, false, "FILE.json", NULL, NULL, 0, AT(report), "write a summary: times, rates, configuration, machine"},
    {"trace", 0, TEXT, RUN, false, "FILE.json", NULL, NULL, 0, AT(trace),
     "write a timeline of batches, reads and writes of every lane (for chrome://tracing or ui.perfetto.dev)"},
    {"lost-after", 0, NUMBER, RUN | BENCH, false, "S", "15", NULL, 0, AT(lost_after),
     "end the run (exit code 75) when a process has been silent for S seconds: it, its host or the network is lost. 0: never, "
     "for debuggers that stop processes"},
    {"profile", 0, FLAG, RUN | BENCH, false, NULL, NULL, NULL, 0, AT(profile), "print the time per operator at the end"},
    {"progress", 0, CHOICE, RUN, false, "WHEN", "auto", "auto|always|never", 0, AT(progress),
     "samples, rate and time left on stderr; auto: when it is a terminal"},
    {"dry-run", 0, FLAG, RUN, false, NULL, NULL, NULL, 0, AT(dry_run),
     "everything up to the first batch: bindings, shapes, memory, missing operators; writes nothing"},
    {"tree", 0, FLAG, INSPECT, false, NULL, NULL, NULL, 0, AT(tree), "the modules, as print(module) shows them"},
    {"code", 0, FLAG, INSPECT, false, NULL, NULL, NULL, 0, AT(code), "the source of the method, as module.code"},
    {"graph", 0, FLAG, INSPECT, false, NULL, NULL, NULL, 0, AT(graph), "the graph of the method, as module.graph"},
    {"inlined-graph", 0, FLAG, INSPECT, false, NULL, NULL, NULL, 0, AT(inlined_graph), "the graph with all calls inlined"},
    {"ops", 0, FLAG, INSPECT, false, NULL, NULL, NULL, 0, AT(ops), "operators the method can reach, and which are missing"},
    {"weights", 0, FLAG, INSPECT, false, NULL, NULL, NULL, 0, AT(weights), "parameters and buffers: name, type, shape, bytes"},
    {"json", 0, FLAG, INSPECT, false, NULL, NULL, NULL, 0, AT(json), "the summary, operators and weights as JSON"},
    {"method", 0, TEXT, INSPECT, false, "NAME", "forward", NULL, 0, AT(method), "the method to look at"},
    {"batches", 0, INTEGER, BENCH, false, "N", NULL, NULL, 1, AT(batches), "run N batches per lane (default: as many as fit in --seconds)"},
    {"seconds", 0, NUMBER, BENCH, false, "S", "5", NULL, 0, AT(seconds), "how long to measure"},
    {"warmup", 0, INTEGER, BENCH, false, "N", "3", NULL, 0, AT(warmup), "batches per lane before measuring"},
    {"rtol", 0, NUMBER, DIFF, false, "R", "0", NULL, 0, AT(rtol), "numbers a and b agree when |a - b| ≤ atol + rtol × |b|"},
    {"atol", 0, NUMBER, DIFF, false, "A", "0", NULL, 0, AT(atol), "see --rtol; with both 0 they must be equal (NaN equals NaN)"},
    {"dump", 0, TEXT, RUN | BENCH, false, "PASS", NULL, NULL, 0, AT(dump), "print the graph after this pass of the optimiser to stderr; all: after each"},
    {"quiet", 'q', FLAG, ALL, false, NULL, NULL, NULL, 0, AT(quiet), "errors only"},
    {"verbose", 'v', FLAG, ALL, false, NULL, NULL, NULL, 0, AT(verbose), "say what is done"},
    {"help", 'h', FLAG, ALL, false, NULL, NULL, NULL, 0, AT(help), "this text"},
    {"version", 'V', FLAG, ALL, false, NULL, NULL, NULL, 0, AT(version), "version and features"},
};

enum { ROWS = sizeof table / sizeof table[0], FIRST_LONG = 1000 };

static const struct {
    Command command;
    const char *name, *usage, *about;
    int files;
} commands[] = {
    {RUN, "run", "[run] MODEL.pt DATA.h5 [-o OUT.h5]",
     "Scores the samples of an HDF5 file with a saved TorchScript model. Start it with mpirun to use many processes.", 2},
    {INSPECT, "inspect", "inspect MODEL.pt [--tree|--code|--graph|--inlined-graph|--ops|--weights|--json]",
     "Shows what is in a model. Never runs any of it.", 1},
    {BENCH, "bench", "bench MODEL.pt --input 'f32[64,3,224,224]' …",
     "Measures throughput and latency on synthetic input.", 1},
    {DIFF, "diff", "diff A.h5 B.h5 [--rtol R] [--atol A]",
     "Compares the data sets of two files and points at the first difference. Exit code 0: same, 1: different.", 2},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int command_index(Command c)
{
    int i = 0;
    while (commands[i].command != c)
        i++;
    return i;
}

static bool in_choices(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (strncmp(at, text, len) == 0 && (at[len] == '|' || at[len] == '\0') && len > 0)
            return true;
    return false;
}

// A whole integer, or ST_USAGE by the caller.
static bool parse_integer(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    *out = v;
    return errno == 0 && end != text && *end == '\0';
}

static bool parse_number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out);
}

// "1500M", "4G", "65536"
static bool parse_bytes(const char *text, int64_t *out)
{
    static const char suffixes[] = "KMGT";
    char *end;
    double v = strtod(text, &end);
    const char *suffix = *end ? strchr(suffixes, *end) : NULL;
    if (end == text || (*end && (!suffix || end[1] != '\0')))
        return false;
    v = suffix ? ldexp(v, 10 * (int)(suffix - suffixes + 1)) : v;
    if (!(v >= 1 && v < 0x1p62))
        return false;
    *out = (int64_t)v;
    return true;
}

static bool parse_range(const char *text, Range *out)
{
    const char *colon = strchr(text, ':');
    char from[32] = "0";
    if (!colon || (size_t)(colon - text) >= sizeof from)
        return false;
    if (colon > text) {
        memcpy(from, text, (size_t)(colon - text));
        from[colon - text] = '\0';
    }
    out->to = INT64_MAX;
    return parse_integer(from, &out->from) && (colon[1] == '\0' || parse_integer(colon + 1, &out->to)) &&
           out->from >= 0 && out->to > out->from;
}

static Status set_option(Options *o, const OptionRow *row, const char *value)
{
    void *field = (char *)o + row->offset;
    switch (row->kind) {
    case FLAG:
        *(bool *)field = true;
        return ST_OK;
    case TEXT:
        if (*value == '\0')
            return status_fail(ST_USAGE, "--%s needs a value", row->name);
        *(const char **)field = value;
        return ST_OK;
    case CHOICE:
        if (!in_choices(row->choices, value))
            return status_fail(ST_USAGE, "--%s %s: this version knows %s", row->name, value, row->choices);
        *(const char **)field = value;
        return ST_OK;
    case INTEGER:
        if (!parse_integer(value, field) || (double)*(int64_t *)field < row->least || *(int64_t *)field > INT32_MAX)
            return status_fail(ST_USAGE, "--%s %s: expected a whole number from %.0f to %d", row->name, value, row->least, INT32_MAX);
        return ST_OK;
    case NUMBER:
        if (!parse_number(value, field) || *(double *)field < row->least)
            return status_fail(ST_USAGE, "--%s %s: expected a number, at least %g", row->name, value, row->least);
        return ST_OK;
    case BYTES:
        if (!parse_bytes(value, field))
            return status_fail(ST_USAGE, "--%s %s: expected a size, as 1500M or 4G", row->name, value);
        return ST_OK;
    case RANGE:
        if (!parse_range(value, field))
            return status_fail(ST_USAGE, "--%s %s: expected A:B with 0 ≤ A < B (either may be empty)", row->name, value);
        return ST_OK;
    case LIST: {
        TextList *list = field;
        if (list->count == OPTIONS_MAX_LIST)
            return status_fail(ST_USAGE, "too many --%s (limit %d)", row->name, OPTIONS_MAX_LIST);
        list->items[list->count++] = value;
        return ST_OK;
    }
    }
    return ST_OK;
}

static void set_defaults(Options *o, Command command)
{
    *o = (Options){.command = command, .range = {0, INT64_MAX}};
    for (int i = 0; i < ROWS; i++)
        if (table[i].preset)
            set_option(o, &table[i], table[i].preset); // rows are right: test_options parses every preset
}

// Long and short options for getopt_long, made from the rows of one command. Short options return their letter.
static void getopt_tables(Command command, struct option *longs, char *shorts)
{
    *shorts++ = ':'; // tell a missing value from an unknown option, print nothing
    for (int i = 0; i < ROWS; i++) {
        if (!(table[i].commands & command))
            continue;
        *longs++ = (struct option){table[i].name, table[i].kind == FLAG ? no_argument : required_argument, NULL, FIRST_LONG + i};
        if (table[i].letter) {
            *shorts++ = table[i].letter;
            if (table[i].kind != FLAG)
                *shorts++ = ':';
        }
    }
    *longs = (struct option){NULL, 0, NULL, 0};
    *shorts = '\0';
}

static const OptionRow *row_of(int result, Command command)
{
    if (result >= FIRST_LONG)
        return &table[result - FIRST_LONG];
    for (int i = 0; i < ROWS; i++)
        if (table[i].letter == result && (table[i].commands & command))
            return &table[i];
    return NULL;
}

// An option that exists, but for other commands, deserves to be told so.
static Status unknown_option(const char *text, int letter, Command command)
{
    const char *command_name = commands[command_index(command)].name;
    for (int i = 0; i < ROWS; i++) {
        size_t len = strlen(table[i].name);
        bool same = letter ? table[i].letter == letter : strncmp(text, "--", 2) == 0 && strncmp(text + 2, table[i].name, len) == 0 && (text[2 + len] == '\0' || text[2 + len] == '=');
        if (same && !(table[i].commands & command))
            return status_fail(ST_USAGE, "--%s is not an option of `tsbatch %s`; see tsbatch %s --help", table[i].name, command_name, command_name);
    }
    if (letter)
        return status_fail(ST_USAGE, "unknown option -%c; see tsbatch %s --help", letter, command_name);
    return status_fail(ST_USAGE, "unknown or shortened option %s; see tsbatch %s --help", text, command_name);
}

static Status check_together(const Options *o)
{
    if (o->help || o->version)
        return ST_OK;
    const char *name = commands[command_index(o->command)].name;
    int want = commands[command_index(o->command)].files;
    if (o->file_count != want)
        return status_fail(ST_USAGE, "%s: expected %s, got %d file%s; see tsbatch %s --help", name,
                           want == 1 ? "one file" : "two files", o->file_count, o->file_count == 1 ? "" : "s", name);
    if (o->resume && o->overwrite)
        return status_fail(ST_USAGE, "--resume keeps the output and --overwrite replaces it: give one of them");
    if (o->quiet && o->verbose)
        return status_fail(ST_USAGE, "--quiet and --verbose: give one of them");
    if (o->stateful && o->resume)
        return status_fail(ST_USAGE, "--stateful and --resume: what the model had in memory is gone; start again with --overwrite");
    if (o->pad_last && !o->batch_size_given)
        return status_fail(ST_USAGE, "--pad-last needs --batch-size: the batch that the model was traced with");
    if (o->stateful && o->lanes > 1)
        return status_fail(ST_USAGE, "--stateful runs the batches in order on one lane: leave out --lanes");
    if (o->max_errors && strcmp(o->on_error, "skip") != 0)
        return status_fail(ST_USAGE, "--max-errors counts skipped errors: it needs --on-error skip");
    if (o->lost_after > 0 && o->lost_after < WATCH_LEAST)
        return status_fail(ST_USAGE, "--lost-after: at least %g seconds, or 0 for never", WATCH_LEAST);
    bool cut = o->cuts.count > 0 || o->stages > 1 || strcmp(o->parallel, "pipeline") == 0;
    if (cut && strcmp(o->parallel, "data") == 0)
        return status_fail(ST_USAGE, "--parallel data runs the whole model on every rank: leave out --stages and --cut");
    if (strcmp(o->parallel, "pipeline") == 0 && o->stages == 1)
        return status_fail(ST_USAGE, "--parallel pipeline with one stage is --parallel data");
    if (cut && o->stateful)
        return status_fail(ST_USAGE, "--stateful keeps the model's state in one place: it cannot be cut into stages");
    if (o->per_sample && o->pad_last)
        return status_fail(ST_USAGE, "--pad-last fills batches, and with --per-sample there are none");
    return ST_OK;
}

Status options_parse(int argc, char **argv, Options *out)
{
    Command command = COMMAND_RUN;
    for (int i = 0; i < COMMANDS && argc > 1; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            command = commands[i].command;
            argv++; // argv[0] is then the name of the command, which getopt skips
            argc--;
            break;
        }
    set_defaults(out, command);

    struct option longs[ROWS + 1];
    char shorts[2 * ROWS + 2];
    getopt_tables(command, longs, shorts);
    optind = 0; // getopt starts anew
    opterr = 0;
    for (int result; (result = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        if (result == ':') {
            const OptionRow *row = row_of(optopt, command);
            return status_fail(ST_USAGE, "--%s needs a value: %s", row->name, row->arg);
        }
        if (result == '?') {
            if (optopt >= FIRST_LONG)
                return status_fail(ST_USAGE, "--%s takes no value", table[optopt - FIRST_LONG].name);
            return unknown_option(argv[optind - 1], optopt, command);
        }
        const OptionRow *row = row_of(result, command);
        TRY(set_option(out, row, optarg));
        out->batch_size_given |= row->offset == AT(batch_size);
        out->seed_given |= row->offset == AT(seed);
    }
    for (; optind < argc; optind++) {
        if (out->file_count == OPTIONS_MAX_FILES)
            return status_fail(ST_USAGE, "unexpected %s after %s and %s", argv[optind], out->files[0], out->files[1]);
        out->files[out->file_count++] = argv[optind];
    }
    return check_together(out);
}

// Words of `text` from column `indent` to 100, after the first line has been begun at column `at`.
static void wrap(Buf *out, const char *text, size_t at, size_t indent)
{
    enum { WIDTH = 100 };
    if (at + 2 > indent) {
        buf_char(out, '\n');
        at = 0;
    }
    buf_fill(out, ' ', indent - at);
    for (size_t column = indent; *text;) {
        size_t len = strcspn(text, " ");
        if (column + len > WIDTH && column > indent) {
            buf_char(out, '\n');
            buf_fill(out, ' ', indent);
            column = indent;
        }
        buf_bytes(out, text, len);
        column += len + 1;
        text += len;
        if (*text == ' ') {
            text++;
            if (column + strcspn(text, " ") <= WIDTH)
                buf_char(out, ' ');
        }
    }
    buf_char(out, '\n');
}

void options_help(Buf *out, Command command)
{
    int which = command_index(command);
    buf_printf(out, "usage: tsbatch %s\n", commands[which].usage);
    for (int i = 0; command == COMMAND_RUN && i < COMMANDS; i++)
        if (i != which)
            buf_printf(out, "       tsbatch %s\n", commands[i].usage);
    buf_printf(out, "\n%s\n\noptions%s:\n", commands[which].about, command == COMMAND_RUN ? " of run" : "");
    Buf text = {0};
    for (int i = 0; i < ROWS; i++) {
        const OptionRow *row = &table[i];
        if (!(row->commands & command))
            continue;
        size_t start = out->len;
        if (row->letter)
            buf_printf(out, "  -%c, --%s", row->letter, row->name);
        else
            buf_printf(out, "      --%s", row->name);
        if (row->arg)
            buf_printf(out, " %s", row->kind == CHOICE ? row->choices : row->arg);
        buf_clear(&text);
        buf_z(&text, row->help);
        if (row->preset)
            buf_printf(&text, " (default: %s)", row->preset);
        buf_char(&text, '\0');
        wrap(out, text.failed ? row->help : text.ptr, out->len - start, 28);
    }
    buf_free(&text);
    if (command == COMMAND_RUN)
        buf_z(out, "\nThe other commands list theirs: tsbatch inspect --help, tsbatch bench --help, tsbatch diff --help.\n");
    buf_z(out, "\nexit codes: 0 done, 2 usage, 3 bad model or data file, 4 unsupported operator or language feature,\n"
               "5 the model raised, 6 I/O or memory, 75 interrupted (--resume continues)");
    buf_z(out, command == COMMAND_DIFF ? "; diff: 1 different\n" : "\n");
}

static void value_text(const Options *o, const OptionRow *row, int item, char *text, size_t size)
{
    const void *field = (const char *)o + row->offset;
    const char *z = row->kind == LIST ? ((const TextList *)field)->items[item] : NULL;
    const Range *range = field;
    switch (row->kind) {
    case FLAG:
        snprintf(text, size, "%s", *(const bool *)field ? "yes" : "no");
        break;
    case TEXT:
    case CHOICE:
        z = *(const char *const *)field;
        snprintf(text, size, "%s", z ? z : "");
        break;
    case INTEGER:
    case BYTES:
        snprintf(text, size, "%" PRId64, *(const int64_t *)field);
        break;
    case NUMBER:
        snprintf(text, size, "%g", *(const double *)field);
        break;
    case LIST:
        snprintf(text, size, "%s", z);
        break;
    case RANGE:
        if (range->to == INT64_MAX)
            snprintf(text, size, "%" PRId64 ":", range->from);
        else
            snprintf(text, size, "%" PRId64 ":%" PRId64, range->from, range->to);
        break;
    }
}

void options_echo(const Options *o, bool of_results, OptionVisitor visit, void *ctx)
{
    char text[4096];
    for (int i = 0; i < ROWS; i++) {
        const OptionRow *row = &table[i];
        if (!(row->commands & o->command) || (of_results && !row->of_results) || row->letter == 'h' || row->letter == 'V')
            continue;
        int items = row->kind == LIST ? ((const TextList *)(const void *)((const char *)o + row->offset))->count : 1;
        for (int item = 0; item < items; item++) {
            value_text(o, row, item, text, sizeof text);
            visit(ctx, row->name, text);
        }
    }
}

void options_default_output(Buf *out, const char *data)
{
    const char *slash = strrchr(data, '/');
    Str base = str_of(slash ? slash + 1 : data);
    ptrdiff_t dot = str_rfind(base, '.');
    buf_str(out, dot > 0 ? str_first(base, (size_t)dot) : base);
    buf_z(out, ".out.h5");
}
