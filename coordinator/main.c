// The program: parses, joins the other ranks, runs one command, and exits: the only place that does.
// Whatever happened, all ranks leave with the same exit code, and rank 0 says why.
#include "coordinator/bench.h"
#include "coordinator/diff.h"
#include "coordinator/inspect.h"
#include "coordinator/run.h"
#include "coordinator/signals.h"
#include "io/base/log.h"
#include "ir/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int print_help(Command command)
{
    Buf text = {0};
    options_help(&text, command);
    bool ok = !text.failed && fwrite(text.ptr, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
    buf_free(&text);
    return ok ? 0 : status_exit_code(ST_IO);
}

static int print_version(void)
{
    printf("tsbatch %s\nMPI: %s\nCUDA: no\noperators: %d\n", TSB_VERSION, comm_library(), op_table_rows());
    return fflush(stdout) == 0 ? 0 : status_exit_code(ST_IO);
}

static int say(const Comm *c, Status s)
{
    if (s != ST_OK && (c ? comm_rank(c) == 0 : comm_speaks()))
        log_error("%s: %s", status_noun(s), status_message());
    return status_exit_code(s);
}

// A launcher ends the others as soon as one process fails: all wait here until the one that speaks has spoken.
static int refuse(int argc, char **argv, Status s)
{
    int code = say(NULL, s);
    Comm *c;
    if (comm_open(&argc, &argv, &c) == ST_OK)
        comm_close(c);
    return code;
}

static int run_parallel(int argc, char **argv, const Options *o)
{
    Comm *c;
    if (o->command == COMMAND_RUN)
        signals_catch(); // before MPI starts, which takes a while
    Status s = comm_open(&argc, &argv, &c);
    if (s != ST_OK)
        return say(NULL, s);
    char prefix[64]; // as long as there are messages
    if (comm_size(c) > 1) {
        snprintf(prefix, sizeof prefix, "tsbatch: rank %d: ", comm_rank(c));
        log_configure(comm_rank(c) > 0 && !o->verbose ? LOG_ERROR : log_level(), comm_rank(c) > 0 ? prefix : "tsbatch: ");
    }
    bool abandoned = false;
    s = comm_agree(c, comm_watch(c, o->lost_after));
    if (s == ST_OK)
        s = o->command == COMMAND_RUN ? run_command(c, o, &abandoned) : bench_command(c, o);
    int code = say(c, s);
    comm_close(c);
    if (abandoned)
        _exit(code); // lanes still compute: nothing may be torn down under them
    return code;
}

int main(int argc, char **argv)
{
    Options o;
    log_configure(LOG_WARNING, "tsbatch: ");
    Status s = options_parse(argc, argv, &o);
    if (s != ST_OK)
        return refuse(argc, argv, s);
    log_configure(o.quiet ? LOG_ERROR : o.verbose ? LOG_INFO : LOG_WARNING, "tsbatch: ");
    bool alone = o.help || o.version || o.command == COMMAND_INSPECT || o.command == COMMAND_DIFF;
    if (alone && !comm_speaks())
        return 0;
    if (o.help)
        return print_help(o.command);
    if (o.version)
        return print_version();
    if (o.command == COMMAND_INSPECT)
        return say(NULL, inspect_command(&o));
    if (o.command == COMMAND_DIFF) {
        bool different = false;
        s = diff_command(&o, &different);
        return s == ST_OK && different ? 1 : say(NULL, s);
    }
    return run_parallel(argc, argv, &o);
}
