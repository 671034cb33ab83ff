// A program over source texts held in memory, for tests: {prefix, text} rows ended by NULL.
#ifndef TSB_TESTS_PROGRAM_FIXTURE_H
#define TSB_TESTS_PROGRAM_FIXTURE_H

#include "ir/print.h"
#include "ir/verify.h"

// clang-format off
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

typedef struct MemoryFile {
    const char *prefix, *text;
    Datum *debug;
} MemoryFile;

static inline Status memory_find(void *ctx, Str prefix, Str *file, Str *text, Datum **debug)
{
    for (const MemoryFile *f = ctx; f->prefix; f++)
        if (str_is(prefix, f->prefix)) {
            *file = STR("code/__torch__.py");
            *text = str_of(f->text);
            *debug = f->debug;
            return ST_OK;
        }
    *text = (Str){0};
    return ST_OK;
}

static inline Program *memory_program(Arena *arena, MemoryFile *files, int version)
{
    ProgramOptions options = {.sources = {memory_find, files}, .version = version};
    Program *p = NULL;
    assert_int_equal(program_new(arena, &options, &p), ST_OK);
    return p;
}

#endif
