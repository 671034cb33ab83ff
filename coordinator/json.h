// JSON documents to write: a thin face of jansson, so that its header is included once. Memory that runs out makes a
// document incomplete, and js_write says so.
#ifndef TSB_COORDINATOR_JSON_H
#define TSB_COORDINATOR_JSON_H

#include "io/base/status.h"

#include <stdint.h>

typedef struct Json Json;

Json *js_new(void);       // an object
Json *js_new_array(void);
void js_free(Json *j);    // roots only
void js_text(Json *j, const char *key, const char *text);
void js_integer(Json *j, const char *key, int64_t v);
void js_number(Json *j, const char *key, double v); // null when not finite
void js_flag(Json *j, const char *key, bool v);
// New children of `j`; of an array when key is NULL.
Json *js_object_in(Json *j, const char *key);
Json *js_array_in(Json *j, const char *key);
// To a file, replaced as a whole; "-" is stdout.
Status js_write(const Json *j, const char *path);

#endif
