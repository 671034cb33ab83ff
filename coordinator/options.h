// Options: one table gives parsing, defaults, --help and the configuration that reports and outputs repeat.
#ifndef TSB_COORDINATOR_OPTIONS_H
#define TSB_COORDINATOR_OPTIONS_H

#include "io/base/buf.h"
#include "io/base/status.h"

typedef enum Command { COMMAND_RUN = 1, COMMAND_INSPECT = 2, COMMAND_BENCH = 4, COMMAND_DIFF = 8 } Command;

enum { OPTIONS_MAX_LIST = 64, OPTIONS_MAX_FILES = 2 };

typedef struct TextList {
    const char *items[OPTIONS_MAX_LIST]; // borrowed from argv
    int count;
} TextList;

typedef struct Range {
    int64_t from, to; // samples [from, to); to == INT64_MAX: up to the end
} Range;

// Texts are borrowed from argv or static. Fields without an option given hold the default of the table.
typedef struct Options {
    Command command;
    const char *files[OPTIONS_MAX_FILES]; // MODEL and DATA, or A and B
    int file_count;
    bool help, version;
    bool batch_size_given, seed_given;

    TextList inputs;
    const char *output; // NULL: from the name of the data
    int64_t batch_size; // 0: chosen
    bool per_sample;
    const char *method;
    Range range;
    const char *parallel, *device, *precision;
    int64_t stages;     // 0: chosen
    TextList cuts;      // --cut, "after=layer2,layer3"
    int64_t max_memory; // bytes, 0: what is there
    bool stateful, pad_last;
    int64_t lanes; // 0: chosen
    int64_t threads;
    bool resume, overwrite, gather;
    const char *on_error;
    int64_t max_errors; // 0: no limit
    int64_t seed;
    const char *report, *trace;
    bool profile;
    double lost_after;
    const char *progress;
    bool quiet, verbose, dry_run;
    const char *dump; // name of a pass, or NULL

    bool tree, code, graph, inlined_graph, ops, weights, json;

    int64_t batches, warmup;
    double seconds;

    double rtol, atol;
} Options;

// Parses a command line; argv may be reordered, and must outlive `out`. ST_USAGE says what is wrong and where to look.
// With --help or --version nothing else is checked.
Status options_parse(int argc, char **argv, Options *out);

// The reference of one command, complete: usage, every option with its default, exit codes.
void options_help(Buf *out, Command command);

// Calls `row` for every option of the command with its value as text ("4", "yes", "cast=f32"). `of_results`: only those
// that the bytes of the output depend on.
typedef void (*OptionVisitor)(void *ctx, const char *name, const char *value);
void options_echo(const Options *o, bool of_results, OptionVisitor row, void *ctx);

// "data.h5" -> "data.out.h5", in the working directory. Appended to `out`.
void options_default_output(Buf *out, const char *data);

#endif
