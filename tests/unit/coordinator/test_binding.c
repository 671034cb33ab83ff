// Binding arguments to data sets: by name, by --input, because there is one of each; and what is refused.
#include "coordinator/binding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const Type tensor = {.kind = TYPE_TENSOR}, integer = {.kind = TYPE_INT}, real = {.kind = TYPE_FLOAT}, boolean = {.kind = TYPE_BOOL}, text = {.kind = TYPE_STR};
static const Type *const tensor_elem[] = {&tensor}, *const text_elem[] = {&text};
static const Type tensors = {.kind = TYPE_LIST, .count = 1, .elem = (const Type **)(uintptr_t)tensor_elem};
static const Type texts = {.kind = TYPE_LIST, .count = 1, .elem = (const Type **)(uintptr_t)text_elem};
static const Type maybe_tensor = {.kind = TYPE_OPTIONAL, .count = 1, .elem = (const Type **)(uintptr_t)tensor_elem};

static const H5Dataset images = {.path = {"/images", 7}, .dtype = DT_U8, .ndim = 4, .shape = {100, 8, 8, 3}};
static const H5Dataset labels = {.path = {"/labels", 7}, .dtype = DT_I64, .ndim = 1, .shape = {100}};
static const H5Dataset weight = {.path = {"/g/w", 4}, .dtype = DT_F32, .ndim = 1, .shape = {100}};
static const H5Dataset names = {.path = {"/names", 6}, .dtype = DT_INVALID, .ndim = 1, .shape = {100}, .unusable = "strings are not numbers"};
static const H5Dataset boxes = {.path = {"/boxes", 6}, .dtype = DT_F32, .ndim = 2, .shape = {100, -1}, .ragged = true};

typedef struct Case {
    Arena arena;
    SchemaArg args[8];
    Schema schema;
    Binding binding;
} Case;

static Status bind_case(Case *c, const char *inputs, bool per_sample, int arg_count, const SchemaArg *args, int set_count, const H5Dataset *const *sets)
{
    *c = (Case){0};
    c->args[0] = (SchemaArg){.name = STR("self"), .type = &tensor};
    memcpy(&c->args[1], args, (size_t)arg_count * sizeof *args);
    c->schema = (Schema){.args = c->args, .arg_count = (uint32_t)arg_count + 1};
    TextList list = {0};
    static char words[512];
    snprintf(words, sizeof words, "%s", inputs);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        list.items[list.count++] = word;
    return binding_make(&c->arena, &c->schema, sets, (size_t)set_count, &list, per_sample, &c->binding);
}

static void done(Case *c)
{
    binding_free(&c->binding);
    arena_free(&c->arena);
}

#define SETS(...) (int)(sizeof((const H5Dataset *[]){__VA_ARGS__}) / sizeof(H5Dataset *)), (const H5Dataset *const[]){__VA_ARGS__}
#define ARGS(...) (int)(sizeof((SchemaArg[]){__VA_ARGS__}) / sizeof(SchemaArg)), (SchemaArg[]){__VA_ARGS__}
#define ARG(n, t) {.name = STR(n), .type = &t}
#define ARG_DEFAULT(n, t) {.name = STR(n), .type = &t, .default_value = &datum_none}

static void bound(const Case *c, int arg, BoundKind kind, const char *path)
{
    assert_int_equal(c->binding.args[arg].kind, kind);
    if (path)
        assert_true(str_is(c->binding.args[arg].path, path));
    assert_int_equal(c->binding.args[arg].column >= 0, path != NULL);
}

static void test_by_name(void **state)
{
    (void)state;
    Case c;
    assert_int_equal(bind_case(&c, "", false, ARGS(ARG("labels", tensor), ARG("images", tensor)), SETS(&images, &labels)), ST_OK);
    bound(&c, 0, BOUND_TENSOR, "/labels");
    bound(&c, 1, BOUND_TENSOR, "/images");
    assert_int_equal(c.binding.columns, 2);
    assert_false(c.binding.rows_as_list);
    done(&c);
}

static void test_the_only_one(void **state)
{
    (void)state;
    Case c;
    assert_int_equal(bind_case(&c, "", false, ARGS(ARG("x", tensor), ARG("mask", maybe_tensor), ARG_DEFAULT("n", integer)), SETS(&images)), ST_OK);
    bound(&c, 0, BOUND_TENSOR, "/images");
    bound(&c, 1, BOUND_DEFAULT, NULL);
    bound(&c, 2, BOUND_DEFAULT, NULL);
    done(&c);
    // Two data sets, or two arguments: nothing is guessed, and both sides are listed.
    assert_int_equal(bind_case(&c, "", false, ARGS(ARG("x", tensor)), SETS(&images, &labels)), ST_USAGE);
    assert_non_null(strstr(status_message(), "no data set for argument 'x'"));
    assert_non_null(strstr(status_message(), "/images  uint8 [100, 8, 8, 3]"));
    assert_non_null(strstr(status_message(), "/labels  int64 [100]"));
    assert_non_null(strstr(status_message(), "x: Tensor"));
    done(&c);
    assert_int_equal(bind_case(&c, "", false, ARGS(ARG("x", tensor), ARG("y", tensor)), SETS(&images)), ST_USAGE);
    done(&c);
}

static void test_by_option(void **state)
{
    (void)state;
    Case c;
    assert_int_equal(bind_case(&c, "x=/images,cast=f32,scale=1/255 y=g/w", false, ARGS(ARG("x", tensor), ARG("y", maybe_tensor)), SETS(&images, &weight)), ST_OK);
    bound(&c, 0, BOUND_TENSOR, "/images");
    bound(&c, 1, BOUND_TENSOR, "/g/w");
    assert_int_equal(c.binding.args[0].transform.cast, DT_F32);
    assert_true(c.binding.args[0].transform.has_scale);
    assert_false(c.binding.args[1].transform.has_scale);
    done(&c);
}

static void refused(const char *inputs, bool per_sample, Status status, const char *why, int arg_count, const SchemaArg *args, int set_count, const H5Dataset *const *sets)
{
    Case c;
    Status s = bind_case(&c, inputs, per_sample, arg_count, args, set_count, sets);
    if (s != status || !strstr(status_message(), why))
        fail_msg("%s: expected %s with \"%s\", got %s: %s", inputs, status_name(status), why, status_name(s), status_message());
    done(&c);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("z=/images", false, ST_USAGE, "no argument 'z'", ARGS(ARG("x", tensor)), SETS(&images));
    refused("x", false, ST_USAGE, "expected ARG=/DATASET", ARGS(ARG("x", tensor)), SETS(&images));
    refused("x=/images x=/images", false, ST_USAGE, "binds 'x' twice", ARGS(ARG("x", tensor)), SETS(&images));
    refused("x=/nope", false, ST_BAD_DATA, "no data set /nope", ARGS(ARG("x", tensor)), SETS(&images));
    refused("x=/names", false, ST_BAD_DATA, "strings are not numbers", ARGS(ARG("x", tensor)), SETS(&names));
    refused("x=/images,bogus=1", false, ST_USAGE, "bogus", ARGS(ARG("x", tensor)), SETS(&images));
    refused("x=/images", false, ST_USAGE, "which no data set can feed", ARGS(ARG("x", texts)), SETS(&images));
    refused("n=/labels", false, ST_USAGE, "only with --per-sample", ARGS(ARG("n", integer)), SETS(&labels));
    refused("n=/g/w", true, ST_BAD_DATA, "holds float32", ARGS(ARG("n", integer)), SETS(&weight));
    refused("n=/images", true, ST_BAD_DATA, "has 4 dimensions", ARGS(ARG("n", integer)), SETS(&images));
    refused("x=/boxes", false, ST_USAGE, "use --per-sample", ARGS(ARG("x", tensor)), SETS(&boxes));
    refused("", false, ST_USAGE, "no argument of the method takes a data set", ARGS(ARG_DEFAULT("n", integer)), SETS(&images));
}

static void test_per_sample_numbers(void **state)
{
    (void)state;
    Case c;
    assert_int_equal(bind_case(&c, "a=/labels b=/g/w c=/labels d=/boxes", true, ARGS(ARG("a", integer), ARG("b", real), ARG("c", boolean), ARG("d", tensor)), SETS(&labels, &weight, &boxes)), ST_OK);
    bound(&c, 0, BOUND_INT, "/labels");
    bound(&c, 1, BOUND_FLOAT, "/g/w");
    bound(&c, 2, BOUND_BOOL, "/labels");
    bound(&c, 3, BOUND_TENSOR, "/boxes");
    done(&c);
    // In batch mode a defaulted number that happens to have a namesake keeps its default.
    assert_int_equal(bind_case(&c, "", false, ARGS(ARG("images", tensor), ARG_DEFAULT("labels", integer)), SETS(&images, &labels)), ST_OK);
    bound(&c, 1, BOUND_DEFAULT, NULL);
    done(&c);
}

static void test_list_of_rows(void **state)
{
    (void)state;
    Case c;
    assert_int_equal(bind_case(&c, "", false, ARGS(ARG("x", tensors)), SETS(&boxes)), ST_OK);
    bound(&c, 0, BOUND_ROWS, "/boxes");
    assert_true(c.binding.rows_as_list);
    done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_name),  cmocka_unit_test(test_the_only_one),       cmocka_unit_test(test_by_option),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_per_sample_numbers), cmocka_unit_test(test_list_of_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
