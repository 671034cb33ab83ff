// The builtin classes that hold packed parameters (torchscript.md §2.6): what they keep, as attributes, and the states in
// which archives keep it. Conv: version 1 is a plain tuple, 2 and 3 put the numbers into a tensor and a list.
#include "ir/compile.h"

static const struct {
    const char *cls;
    struct { const char *name, *type; } attrs[8];
} packed_classes[] = {
#define CONV_ATTRS                                                                                                     \
    {{"weight", "Tensor"}, {"bias", "Optional[Tensor]"}, {"stride", "List[int]"}, {"padding", "List[int]"},            \
     {"output_padding", "List[int]"}, {"dilation", "List[int]"}, {"groups", "int"}, {"transpose", "bool"}}
    {"quantized.LinearPackedParamsBase", {{"weight", "Tensor"}, {"bias", "Optional[Tensor]"}}},
    {"quantized.Conv2dPackedParamsBase", CONV_ATTRS},
    {"quantized.Conv3dPackedParamsBase", CONV_ATTRS},
    {"quantized.EmbeddingPackedParamsBase", {{"weight", "Tensor"}, {"bit_rate", "int"}}},
    // Weights are packed parameters of linear layers but for kind "quantized" of old files, which this does not read.
    {"rnn.CellParamsBase",
     {{"kind", "str"}, {"tensors", "List[Tensor]"}, {"doubles", "List[float]"}, {"longs", "List[int]"},
      {"params", "List[__torch__.torch.classes.quantized.LinearPackedParamsBase]"}}},
#undef CONV_ATTRS
};

void declare_packed(ClassDef *c, Str name)
{
    Program *p = c->program;
    for (size_t i = 0; i < sizeof packed_classes / sizeof *packed_classes; i++) {
        if (!str_is(name, packed_classes[i].cls))
            continue;
        for (int k = 0; k < 8 && packed_classes[i].attrs[k].name; k++)
            c->attr_count++;
        c->attrs = ARENA_ARRAY(p->arena, ClassAttr, c->attr_count);
        for (uint32_t k = 0; k < c->attr_count; k++) {
            c->attrs[k].name = str_of(packed_classes[i].attrs[k].name);
            c->attrs[k].type = parse_type_text(p, str_of(packed_classes[i].attrs[k].type));
            strmap_put(&c->attr_index, p->arena, c->attrs[k].name, &c->attrs[k]);
        }
    }
}

// ---- states

typedef struct Unpack { Program *p; Datum *d; const char *where; } Unpack;

static _Noreturn void bad_state(const Unpack *u)
{
    fail_plain(&u->p->failure, ST_BAD_MODEL, "%s: the state of an object of class '" STR_FMT "' is not one of the known forms", u->where,
               STR_ARG(u->d->name));
}

static Datum *int_list(const Unpack *u, const int64_t *v, uint32_t n)
{
    Datum **items = ARENA_ARRAY(u->p->arena, Datum *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        items[i] = datum_int(u->p->arena, v[i]);
    Datum *list = datum_list(u->p->arena, DATUM_LIST, items, n);
    list->name = STR("List[int]");
    return list;
}

static Datum *first_of(const Datum *d, Datum *otherwise)
{
    return (d->kind == DATUM_LIST || d->kind == DATUM_TUPLE) && d->count ? d->items[0] : otherwise;
}

// Numbers of a convolution: dimensions, strides, padding, dilation, output padding, groups, flags.
enum { CONV_NUMBERS_MAX = 3 + 4 * 3 };

static void set_conv(const Unpack *u, Datum *state, Datum *weight, Datum *bias, const int64_t *v, uint32_t count)
{
    int64_t n = v[0];
    if (n < 1 || n > 3 || count < 3 + 4 * n)
        bad_state(u);
    Arena *a = u->p->arena;
    uint32_t m = (uint32_t)n;
    u->d->state = state;
    datum_set_attr(u->d, a, STR("weight"), weight);
    datum_set_attr(u->d, a, STR("bias"), bias);
    datum_set_attr(u->d, a, STR("stride"), int_list(u, v + 1, m));
    datum_set_attr(u->d, a, STR("padding"), int_list(u, v + 1 + n, m));
    datum_set_attr(u->d, a, STR("dilation"), int_list(u, v + 1 + 2 * n, m));
    datum_set_attr(u->d, a, STR("output_padding"), int_list(u, v + 1 + 3 * n, m));
    datum_set_attr(u->d, a, STR("groups"), datum_int(a, v[1 + 4 * n]));
    datum_set_attr(u->d, a, STR("transpose"), datum_bool(v[2 + 4 * n] & 1));
}

// ("2", [int16 numbers, weight], [bias])
static void conv_2(const Unpack *u, const Datum *s, Datum *state)
{
    const Datum *tensors = s->items[1];
    if (tensors->kind != DATUM_LIST || tensors->count < 2 || tensors->items[0]->kind != DATUM_TENSOR)
        bad_state(u);
    const DatumTensor *t = tensors->items[0]->tensor;
    int64_t count = datum_tensor_numel(t), v[CONV_NUMBERS_MAX];
    if (t->dtype != DT_I16 || t->ndim != 1 || t->stride[0] != 1 || !t->storage->data || count < 1 || count > CONV_NUMBERS_MAX)
        bad_state(u);
    for (int64_t i = 0; i < count; i++) {
        int16_t x;
        memcpy(&x, (const char *)datum_tensor_data(t) + i * 2, sizeof x);
        v[i] = x;
    }
    set_conv(u, state, tensors->items[1], first_of(s->items[2], &datum_none), v, (uint32_t)count);
}

// (3, [numbers], [None, weight, bias])
static void conv_3(const Unpack *u, const Datum *s, Datum *state)
{
    const Datum *numbers = s->items[1], *tensors = s->items[2];
    int64_t v[CONV_NUMBERS_MAX];
    if (numbers->kind != DATUM_LIST || tensors->kind != DATUM_LIST || tensors->count < 3 || !numbers->count || numbers->count > CONV_NUMBERS_MAX)
        bad_state(u);
    for (uint32_t i = 0; i < numbers->count; i++) {
        if (numbers->items[i]->kind != DATUM_INT)
            bad_state(u);
        v[i] = numbers->items[i]->i;
    }
    set_conv(u, state, tensors->items[1], tensors->items[2], v, numbers->count);
}

static int64_t number_in(const Unpack *u, const Datum *x)
{
    if (x->kind == DATUM_INT)
        return x->i;
    if (x->kind != DATUM_TENSOR || x->tensor->dtype != DT_I64 || datum_tensor_numel(x->tensor) != 1 || !x->tensor->storage->data)
        bad_state(u);
    int64_t v;
    memcpy(&v, datum_tensor_data(x->tensor), sizeof v);
    return v;
}

// (weight, bias, [strides], [paddings], [dilations], groups): each number in a tensor of its own
static void conv_1(const Unpack *u, const Datum *s, Datum *state, int64_t n)
{
    int64_t v[CONV_NUMBERS_MAX] = {n};
    if (s->count != 2 + 3 + 1)
        bad_state(u);
    for (int k = 0; k < 3; k++) {
        const Datum *list = s->items[2 + k];
        if ((list->kind != DATUM_LIST && list->kind != DATUM_TUPLE) || list->count < (uint32_t)n)
            bad_state(u);
        for (int i = 0; i < n; i++)
            v[1 + k * n + i] = number_in(u, list->items[i]);
    }
    v[1 + 4 * n] = number_in(u, first_of(s->items[5], s->items[5]));
    set_conv(u, state, s->items[0], s->items[1], v, (uint32_t)(3 + 4 * n));
}

static void unpack_conv(const Unpack *u, Datum *state, int64_t n)
{
    const Datum *s = u->d->state;
    if (s->kind != DATUM_TUPLE || s->count < 3)
        bad_state(u);
    if (s->items[0]->kind == DATUM_STR)
        conv_2(u, s, state);
    else if (s->items[0]->kind == DATUM_INT)
        conv_3(u, s, state);
    else
        conv_1(u, s, state, n);
}

// (version, [weight], [], [bits per element])
static void unpack_embedding(const Unpack *u, Datum *state)
{
    const Datum *s = u->d->state;
    Datum *weight = s->kind == DATUM_TUPLE && s->count == 4 ? first_of(s->items[1], NULL) : NULL;
    Datum *bits = weight ? first_of(s->items[3], NULL) : NULL;
    if (!bits)
        bad_state(u);
    u->d->state = state;
    datum_set_attr(u->d, u->p->arena, STR("weight"), weight);
    datum_set_attr(u->d, u->p->arena, STR("bit_rate"), bits);
}

void unpack_state(Program *p, Datum *d, const char *where)
{
    const ClassDef *c = d->cls;
    Unpack u = {p, d, where};
    if (!c->attr_count || !d->state || d->state->kind == DATUM_DICT)
        return;
    Datum *state = ARENA_NEW(p->arena, Datum);
    state->kind = DATUM_DICT;
    Str name = str_from(c->name, strlen("__torch__.torch.classes."));
    if (str_is(name, "quantized.Conv2dPackedParamsBase")) {
        unpack_conv(&u, state, 2);
    } else if (str_is(name, "quantized.Conv3dPackedParamsBase")) {
        unpack_conv(&u, state, 3);
    } else if (str_is(name, "quantized.EmbeddingPackedParamsBase")) {
        unpack_embedding(&u, state);
    } else {
        // The attributes in order.
        const Datum *s = d->state;
        if (s->kind != DATUM_TUPLE || s->count != c->attr_count)
            bad_state(&u);
        d->state = state;
        for (uint32_t i = 0; i < c->attr_count; i++)
            datum_set_attr(d, p->arena, c->attrs[i].name, s->items[i]);
    }
}
