// How the compiler gives up: it writes the status message and jumps to the guard of its arena, so that the code between
// a public entry point and an error needs no plumbing.
#ifndef TSB_IR_FAILURE_H
#define TSB_IR_FAILURE_H

#include "ir/program.h"

typedef struct Failure {
    Arena *arena; // its guard is the jump's target and must be set
    Status code;  // of the last failure; the public entry point presets ST_MEMORY, which is what the arena reports
} Failure;

_Noreturn void fail_plain(Failure *f, Status code, const char *fmt, ...) PRINTF_LIKE(3, 4);
// The message is followed by file, line and the text of that line; `at` is a byte offset in the source.
_Noreturn void fail_at(Failure *f, const Source *source, uint32_t at, Status code, const char *fmt, ...) PRINTF_LIKE(5, 6);
// Jumps on with the message that is already set.
_Noreturn void fail_forward(Failure *f, Status code);

// Moves the text of a Buf into the arena and frees the Buf, also when memory runs out.
Str take_text(Arena *a, Buf *b);

// Line from 1 and column from 0 of a byte offset.
void source_position(const Source *s, uint32_t at, int *line, int *column);

#endif
