// Status codes and the message that goes with one.
// A function that can fail returns Status; the text of the newest failure is kept per thread.
#ifndef TSB_IO_BASE_STATUS_H
#define TSB_IO_BASE_STATUS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

// X(code, exit code of the program, noun shown before the message)
#define STATUS_LIST(X)                                                                                                 \
    X(OK, 0, "ok")                                                                                                     \
    X(USAGE, 2, "usage")                                                                                               \
    X(BAD_MODEL, 3, "bad model")                                                                                       \
    X(BAD_DATA, 3, "bad data")                                                                                         \
    X(UNSUPPORTED, 4, "unsupported")                                                                                   \
    X(RAISED, 5, "the model raised")                                                                                   \
    X(IO, 6, "input/output")                                                                                           \
    X(MEMORY, 6, "out of memory")                                                                                      \
    X(INTERNAL, 6, "internal error")                                                                                   \
    X(DECLINED, 6, "declined") /* a kernel variant does not serve these operands: try the next one */                  \
    X(INTERRUPTED, 75, "interrupted")

typedef enum Status {
#define X(code, exit_code, noun) ST_##code,
    STATUS_LIST(X)
#undef X
} Status;

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

// Replaces this thread's message and returns `code`, so that `return status_fail(ST_IO, "%s: …", path)` reads well.
// A message says what, where (file, entry, offset or source line) and what to do. It allocates nothing.
Status status_fail(Status code, const char *fmt, ...) PRINTF_LIKE(2, 3);
Status status_vfail(Status code, const char *fmt, va_list ap);

// Puts "context: " before this thread's message, keeps the code. Returns `code`.
Status status_context(Status code, const char *fmt, ...) PRINTF_LIKE(2, 3);

// The newest message of this thread; "" after status_clear. Valid until the next call on this thread.
const char *status_message(void);
void status_clear(void);

const char *status_name(Status code);      // "IO"
const char *status_noun(Status code);      // "input/output"
int status_exit_code(Status code);         // of the process, see STATUS_LIST
Status status_from_name(const char *name); // ST_INTERNAL for an unknown name

// Shorthand for the commonest failure.
Status status_no_memory(size_t bytes);

// Forwards a failure.
#define TRY(expr)                                                                                                      \
    do {                                                                                                               \
        Status try_status_ = (expr);                                                                                   \
        if (try_status_ != ST_OK)                                                                                      \
            return try_status_;                                                                                        \
    } while (0)

#endif
