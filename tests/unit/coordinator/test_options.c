// The command line: every preset is valid, what is wrong is refused with advice, help and echo name every option.
#include "coordinator/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static Status parse(Options *o, const char *line)
{
    static char text[1024], *argv[64];
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    return options_parse(argc, argv, o);
}

static void accepted(const char *line, Options *o)
{
    if (parse(o, line) != ST_OK)
        fail_msg("%s: %s", line, status_message());
}

static void refused(const char *line, const char *why)
{
    Options o;
    assert_int_equal(parse(&o, line), ST_USAGE);
    if (!strstr(status_message(), why))
        fail_msg("%s: expected \"%s\" in: %s", line, why, status_message());
}

static void test_run_is_the_default(void **state)
{
    (void)state;
    Options o;
    accepted("tsbatch m.pt d.h5", &o);
    assert_int_equal(o.command, COMMAND_RUN);
    assert_string_equal(o.files[0], "m.pt");
    assert_string_equal(o.files[1], "d.h5");
    assert_string_equal(o.method, "forward");
    assert_string_equal(o.on_error, "stop");
    assert_int_equal(o.threads, 1);
    assert_int_equal(o.batch_size, 0);
    assert_false(o.batch_size_given);
    assert_true(o.range.from == 0 && o.range.to == INT64_MAX);
    accepted("tsbatch run m.pt d.h5 -b 8", &o);
    assert_int_equal(o.command, COMMAND_RUN);
    assert_int_equal(o.batch_size, 8);
    assert_true(o.batch_size_given);
}

static void test_every_kind_of_option(void **state)
{
    (void)state;
    Options o;
    accepted("tsbatch m.pt -i x=/a,cast=f32 d.h5 --input=y=/b --range 5:9 --on-error skip --max-errors=3 -o out.h5 --per-sample --seed 7", &o);
    assert_int_equal(o.inputs.count, 2);
    assert_string_equal(o.inputs.items[0], "x=/a,cast=f32");
    assert_string_equal(o.inputs.items[1], "y=/b");
    assert_true(o.range.from == 5 && o.range.to == 9);
    assert_string_equal(o.on_error, "skip");
    assert_int_equal(o.max_errors, 3);
    assert_string_equal(o.output, "out.h5");
    assert_true(o.per_sample);
    assert_int_equal(o.seed, 7);
    accepted("tsbatch m.pt d.h5 --range :9", &o);
    assert_true(o.range.from == 0 && o.range.to == 9);
    accepted("tsbatch m.pt d.h5 --range 4:", &o);
    assert_true(o.range.from == 4 && o.range.to == INT64_MAX);
    accepted("tsbatch m.pt d.h5 --max-memory 1.5G --cut after=a,b --stages 3", &o);
    assert_int_equal(o.max_memory, (int64_t)3 << 29);
    assert_int_equal(o.stages, 3);
    assert_string_equal(o.cuts.items[0], "after=a,b");
    accepted("tsbatch m.pt d.h5 --max-memory 65536", &o);
    assert_int_equal(o.max_memory, 65536);
    accepted("tsbatch diff a b --rtol 1e-5", &o);
    assert_true(o.rtol == 1e-5 && o.atol == 0);
    accepted("tsbatch inspect m.pt --tree --json", &o);
    assert_true(o.tree && o.json && !o.code);
    accepted("tsbatch --help", &o);
    assert_true(o.help);
    accepted("tsbatch bench --version", &o);
    assert_true(o.version);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("tsbatch", "expected two files, got 0");
    refused("tsbatch m.pt", "expected two files, got 1");
    refused("tsbatch a b c", "unexpected c");
    refused("tsbatch inspect", "expected one file");
    refused("tsbatch m.pt d.h5 --nope", "unknown or shortened option --nope");
    refused("tsbatch m.pt d.h5 -Z", "unknown option -Z");
    refused("tsbatch m.pt d.h5 --tree", "--tree is not an option of `tsbatch run`");
    refused("tsbatch inspect m.pt -b 3", "--batch-size is not an option of `tsbatch inspect`");
    refused("tsbatch m.pt d.h5 -b", "--batch-size needs a value: N");
    refused("tsbatch m.pt d.h5 -b 0", "from 1 to");
    refused("tsbatch m.pt d.h5 -b 3x", "expected a whole number");
    refused("tsbatch m.pt d.h5 -b 99999999999999999999", "expected a whole number");
    refused("tsbatch m.pt d.h5 --device cuda", "this version knows auto|cpu");
    refused("tsbatch m.pt d.h5 --precision bf16", "this version knows fp32");
    refused("tsbatch m.pt d.h5 --parallel both", "this version knows auto|data|pipeline");
    refused("tsbatch m.pt d.h5 --parallel data --stages 2", "leave out --stages and --cut");
    refused("tsbatch m.pt d.h5 --parallel pipeline --stages 1", "is --parallel data");
    refused("tsbatch m.pt d.h5 --cut after=a --stateful", "cannot be cut");
    refused("tsbatch m.pt d.h5 --max-memory 1.5X", "expected a size, as 1500M or 4G");
    refused("tsbatch m.pt d.h5 --max-memory -1G", "expected a size, as 1500M or 4G");
    refused("tsbatch m.pt d.h5 --device c", "this version knows");
    refused("tsbatch m.pt d.h5 --range 9:5", "expected A:B");
    refused("tsbatch m.pt d.h5 --range 5", "expected A:B");
    refused("tsbatch m.pt d.h5 --range -1:5", "expected A:B");
    refused("tsbatch m.pt d.h5 --per-sample=yes", "takes no value");
    refused("tsbatch m.pt d.h5 --resume --overwrite", "give one of them");
    refused("tsbatch m.pt d.h5 -q -v", "give one of them");
    refused("tsbatch m.pt d.h5 --stateful --lanes 2", "leave out --lanes");
    refused("tsbatch m.pt d.h5 --stateful --resume", "start again with --overwrite");
    refused("tsbatch m.pt d.h5 --pad-last", "needs --batch-size");
    refused("tsbatch m.pt d.h5 --max-errors 2", "needs --on-error skip");
    refused("tsbatch m.pt d.h5 --per-sample --pad-last -b 4", "there are none");
    refused("tsbatch diff a b --rtol nan", "expected a number");
    refused("tsbatch diff a b --rtol -1", "expected a number");
}

static void find_in_help(void *ctx, const char *name, const char *value)
{
    (void)value;
    char option[64];
    snprintf(option, sizeof option, "--%s", name);
    if (!strstr(ctx, option))
        fail_msg("--help does not mention %s", option);
}

static void count_echo(void *ctx, const char *name, const char *value)
{
    (void)name;
    assert_non_null(value);
    ++*(int *)ctx;
}

static void test_help_names_everything(void **state)
{
    (void)state;
    static const char *const lines[] = {"tsbatch m d", "tsbatch inspect m", "tsbatch bench m", "tsbatch diff a b"};
    for (int i = 0; i < 4; i++) {
        Options o;
        accepted(lines[i], &o);
        Buf help = {0};
        options_help(&help, o.command);
        buf_char(&help, '\0');
        assert_int_equal(buf_status(&help), ST_OK);
        options_echo(&o, false, find_in_help, help.ptr);
        assert_non_null(strstr(help.ptr, "exit codes: 0 done"));
        buf_free(&help);
        int count = 0;
        options_echo(&o, false, count_echo, &count);
        assert_true(count > 3);
    }
}

static void note_value(void *ctx, const char *name, const char *value)
{
    const char **wanted = ctx;
    if (strcmp(name, wanted[0]) == 0)
        assert_string_equal(value, wanted[1]), wanted[2] = "seen";
}

static void test_echo_of_results(void **state)
{
    (void)state;
    Options o;
    accepted("tsbatch m d --range 3: --lanes 2 --seed 9", &o);
    const char *range[3] = {"range", "3:", NULL}, *lanes[3] = {"lanes", "2", NULL}, *seed[3] = {"seed", "9", NULL};
    options_echo(&o, true, note_value, range);
    options_echo(&o, true, note_value, lanes);
    options_echo(&o, true, note_value, seed);
    assert_non_null(range[2]);
    assert_null(lanes[2]); // results do not depend on lanes
    assert_non_null(seed[2]);
    options_echo(&o, false, note_value, lanes);
    assert_non_null(lanes[2]);
}

static void test_default_output(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"data.h5", "data.out.h5"}, {"/a/b.c/data.h5", "data.out.h5"}, {"x", "x.out.h5"}, {"d/.h5", ".h5.out.h5"}, {"a.b.hdf5", "a.b.out.h5"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        Buf b = {0};
        options_default_output(&b, pairs[i][0]);
        buf_char(&b, '\0');
        assert_string_equal(b.ptr, pairs[i][1]);
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_is_the_default), cmocka_unit_test(test_every_kind_of_option), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_help_names_everything), cmocka_unit_test(test_echo_of_results), cmocka_unit_test(test_default_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
