// Messages for people, on stderr. Nothing below coordinator/ prints anywhere else.
#ifndef TSB_IO_BASE_LOG_H
#define TSB_IO_BASE_LOG_H

#include "io/base/status.h"

typedef enum LogLevel { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG } LogLevel;

// Messages above `level` are dropped; `prefix` (borrowed for the life of the process, "" by default) starts each line:
// "tsbatch: rank 3: ". Thread-safe: one write per message.
void log_configure(LogLevel level, const char *prefix);
LogLevel log_level(void);
void log_message(LogLevel level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_message(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_DEBUG, __VA_ARGS__)

#endif
