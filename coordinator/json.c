// JSON through jansson; the only file that includes its header.
// A Json is a json_t: NULL (no memory) is accepted everywhere and noticed by js_write.
#include "coordinator/json.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *inner(const Json *j) { return (json_t *)(uintptr_t)j; }

Json *js_new(void) { return (Json *)json_object(); }
Json *js_new_array(void) { return (Json *)json_array(); }
void js_free(Json *j) { json_decref(inner(j)); }

static void put(Json *j, const char *key, json_t *value)
{
    if (!j || !value)
        json_decref(value);
    else if (key)
        json_object_set_new(inner(j), key, value);
    else
        json_array_append_new(inner(j), value);
}

// File names need not be UTF-8, JSON must be: bytes beyond ASCII become question marks then.
void js_text(Json *j, const char *key, const char *text)
{
    json_t *value = json_string(text);
    char *copy = value ? NULL : strdup(text);
    for (char *p = copy; p && *p; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    if (copy)
        value = json_string(copy);
    free(copy);
    put(j, key, value);
}

void js_integer(Json *j, const char *key, int64_t v) { put(j, key, json_integer(v)); }
void js_number(Json *j, const char *key, double v) { put(j, key, isfinite(v) ? json_real(v) : json_null()); }
void js_flag(Json *j, const char *key, bool v) { put(j, key, json_boolean(v)); }

Json *js_object_in(Json *j, const char *key)
{
    json_t *child = json_object();
    put(j, key, child);
    return j ? (Json *)child : NULL;
}

Json *js_array_in(Json *j, const char *key)
{
    json_t *child = json_array();
    put(j, key, child);
    return j ? (Json *)child : NULL;
}

Status js_write(const Json *j, const char *path)
{
    if (!j)
        return status_no_memory(0);
    bool to_stdout = strcmp(path, "-") == 0;
    FILE *f = to_stdout ? stdout : fopen(path, "we");
    if (!f)
        return status_fail(ST_IO, "%s: cannot write: %s", path, strerror(errno));
    int failed = json_dumpf(inner(j), f, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    failed |= fputc('\n', f) == EOF;
    if (to_stdout)
        failed |= fflush(f) != 0;
    else
        failed |= fclose(f) != 0;
    return failed ? status_fail(ST_IO, "%s: cannot write the whole file", path) : ST_OK;
}
