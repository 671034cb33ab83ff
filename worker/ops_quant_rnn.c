// Dynamically quantised recurrent networks and cells: gates come from dynamic linear layers (int8 or float16 weights), the
// input's over all steps at once, the hidden state's step by step. A batch is a packed sequence of equal lengths.
#include "worker/ops_quant.h"

#include "kernels/quant.h"

#include <stdlib.h>

enum { W_IH, W_HH, LINEARS };

// Inline caches: one site per linear layer of the network.
typedef struct LinearSites { uint32_t count; Site sites[]; } LinearSites;

static void free_linear_sites(void *user)
{
    LinearSites *l = user;
    for (uint32_t i = 0; i < l->count; i++)
        site_clear(&l->sites[i]);
    free(l);
}

static Status linear_sites(Site *site, uint32_t count, LinearSites **out)
{
    LinearSites *l = site->user;
    if (!l || l->count != count) {
        if (l)
            free_linear_sites(l);
        size_t bytes = sizeof *l + count * sizeof *l->sites;
        if (!(l = site->user = calloc(1, bytes)))
            return status_no_memory(bytes);
        l->count = count;
        for (uint32_t i = 0; i < count; i++)
            l->sites[i].node = site->node;
    }
    *out = l;
    return ST_OK;
}

// The two linear layers of a cell's parameters.
typedef struct Cell { const Object *linear[LINEARS]; bool reduce_range, f32_scale; } Cell;

static Status cell_of(IValue v, Cell *out)
{
    const Object *o = v.as.object;
    IValue kind = packed_get(o, "kind"), params = packed_get(o, "params"), longs = packed_get(o, "longs");
    if (kind.tag != TAG_STR || params.tag != TAG_LIST || params.as.list->len != LINEARS)
        return op_raise("parameters of a quantized recurrent cell of this kind are not supported");
    Str name = str_of_value(kind);
    bool int8 = str_is(name, "quantized"); // made as the model runs: archives keep this kind in another form
    if (!int8 && !str_is(name, "quantized_dynamic") && !str_is(name, "quantized_fp16"))
        return op_raise("parameters of a recurrent cell of kind '" STR_FMT "' are not supported", STR_ARG(name));
    *out = (Cell){.reduce_range = longs.tag == TAG_LIST && longs.as.list->len && arg_int(longs.as.list->items[0]), .f32_scale = int8};
    for (int i = 0; i < LINEARS; i++)
        out->linear[i] = params.as.list->items[i].as.object;
    return ST_OK;
}

// ---- a layer

typedef struct Network {
    RnnMode mode;
    int64_t layers, directions, units, sequences, rows, steps;
    const int64_t *batch_sizes;  // NULL: `sequences` in every step
    const ListObj *params;
    Tensor *h, *c;               // [layers * directions, sequences, units] float32, contiguous: read and written
    LinearSites *sites;
} Network;

static int64_t batch_at(const Network *n, int64_t t) { return n->batch_sizes ? n->batch_sizes[t] : n->sequences; }

static Status gates(Lane *lane, const Network *n, uint32_t index, int which, const Cell *cell, Tensor *x, Tensor **out)
{
    const Object *linear = cell->linear[which];
    Site *site = &n->sites->sites[LINEARS * index + (uint32_t)which];
    TRY(cell->f32_scale ? quant_linear_dynamic(lane, site, x, packed_get(linear, "weight").as.tensor, packed_get(linear, "bias"), DYNAMIC_F32_SCALE, false, out)
                        : packed_linear_dynamic(lane, site, x, linear, cell->reduce_range, false, out));
    const View *v = &(*out)->view;
    if (v->ndim == 2 && v->size[1] == rnn_gates(n->mode) * n->units && view_is_contiguous(v))
        return ST_OK;
    tensor_release(*out);
    return op_raise("the weights of a quantized recurrent network do not fit its hidden state");
}

// Rows `row` … of one step, which has `batch` sequences.
static Status step(Lane *lane, const Network *n, uint32_t index, const Cell *cell, const float *x, int64_t batch, float *y, int64_t y_pitch)
{
    Tensor *h, *g;
    int64_t units = n->units, width = rnn_gates(n->mode) * units, first = index * n->sequences * units;
    TRY(tensor_view(lane, n->h, 2, (int64_t[]){batch, units}, (int64_t[]){units, 1}, n->h->offset + first, &h));
    Status status = gates(lane, n, index, W_HH, cell, h, &g);
    tensor_release(h);
    TRY(status);
    for (int64_t r = 0; r < batch; r++) {
        float *h_row = (float *)n->h->view.data + first + r * units, *c_row = n->c ? (float *)n->c->view.data + first + r * units : NULL;
        rnn_step_row(n->mode, x + r * width, (const float *)g->view.data + r * width, c_row, h_row, units);
        if (y)
            memcpy(y + r * y_pitch, h_row, (size_t)units * sizeof *y);
    }
    tensor_release(g);
    return ST_OK;
}

static Status run_direction(Lane *lane, const Network *n, uint32_t index, Tensor *x, float *y, int64_t y_pitch, bool reverse)
{
    Cell cell;
    Tensor *g;
    TRY(cell_of(n->params->items[index], &cell));
    TRY(gates(lane, n, index, W_IH, &cell, x, &g));
    const float *gx = g->view.data;
    int64_t width = rnn_gates(n->mode) * n->units;
    Status status = ST_OK;
    int64_t row = reverse ? n->rows : 0;
    for (int64_t i = 0; i < n->steps && status == ST_OK; i++) {
        int64_t batch = batch_at(n, reverse ? n->steps - 1 - i : i);
        row -= reverse ? batch : 0;
        status = step(lane, n, index, &cell, gx + row * width, batch, y + row * y_pitch, y_pitch);
        row += reverse ? 0 : batch;
    }
    tensor_release(g);
    return status;
}

// data [rows, features] -> [rows, directions * units]
static Status run_layers(Lane *lane, const Network *n, Tensor *data, Tensor **out)
{
    Tensor *x = tensor_retain(data);
    for (int64_t layer = 0; layer < n->layers; layer++) {
        Tensor *y;
        Status status = tensor_new(lane, DT_F32, 2, (const int64_t[]){n->rows, n->directions * n->units}, &y);
        for (int64_t d = 0; d < n->directions && status == ST_OK; d++) {
            status = run_direction(lane, n, (uint32_t)(layer * n->directions + d), x, (float *)y->view.data + d * n->units, n->directions * n->units, d == 1);
            if (status != ST_OK)
                tensor_release(y);
        }
        tensor_release(x);
        TRY(status);
        x = y;
    }
    *out = x;
    return ST_OK;
}

// ---- networks

// A float32 copy that may be written.
static Status state_copy(Lane *lane, Tensor *t, Tensor **out)
{
    TRY(tensor_new(lane, DT_F32, t->view.ndim, t->view.size, out));
    Status status = tensor_copy_into(lane, *out, t);
    if (status != ST_OK)
        tensor_release(*out);
    return status;
}

static Status state_check(const Network *n, const Tensor *t)
{
    const View *v = &t->view;
    if (v->ndim != 3 || v->size[0] != n->layers * n->directions || v->size[1] != n->sequences || v->size[2] != n->units)
        return op_raise("Expected hidden size [%lld, %lld, %lld], got %s", (long long)(n->layers * n->directions), (long long)n->sequences,
                        (long long)n->units, size_text(v->size, v->ndim).text);
    return ST_OK;
}

// data: [rows, features]; gives y [rows, ·] and the states. rets: y, h, c.
static Status run_network(Lane *lane, Site *site, Network *n, Tensor *data, Tensor *h0, Tensor *c0, Tensor **y)
{
    if (n->layers < 1 || n->params->len != (uint64_t)(n->layers * n->directions))
        return op_raise("got an incorrect number of RNN parameters");
    if (h0->view.ndim != 3)
        return op_raise("the hidden state must have 3 dimensions, got %d", h0->view.ndim);
    n->units = h0->view.size[2];
    TRY(state_check(n, h0));
    if (c0)
        TRY(state_check(n, c0));
    TRY(linear_sites(site, (uint32_t)(LINEARS * n->layers * n->directions), &n->sites));
    TRY(state_copy(lane, h0, &n->h));
    Status status = c0 ? state_copy(lane, c0, &n->c) : ST_OK;
    if (status == ST_OK)
        status = run_layers(lane, n, data, y);
    if (status == ST_OK)
        return ST_OK;
    tensor_release(n->h);
    if (n->c)
        tensor_release(n->c);
    return status;
}

static Status refuse_training(IValue dropout, IValue train, int64_t layers)
{
    return train.as.b && arg_double(dropout) > 0 && layers > 1
               ? status_fail(ST_UNSUPPORTED, "dropout between the layers of a recurrent network in training mode is not supported: save the model after model.eval()")
               : ST_OK;
}

static Status hidden(IValue v, bool lstm, Tensor **h, Tensor **c)
{
    *c = NULL;
    if (!lstm) {
        *h = v.as.tensor;
        return ST_OK;
    }
    const ListObj *l = v.as.list;
    if (l->len != 2 || l->items[0].tag != TAG_TENSOR || l->items[1].tag != TAG_TENSOR)
        return op_raise("lstm expects two hidden states");
    *h = l->items[0].as.tensor;
    *c = l->items[1].as.tensor;
    return ST_OK;
}

static Status give(Network *n, Tensor *y, IValue *rets)
{
    rets[0] = value_tensor_take(y);
    rets[1] = value_tensor_take(n->h);
    if (n->c)
        rets[2] = value_tensor_take(n->c);
    return ST_OK;
}

// input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first
static Status network_input(Lane *lane, Site *site, const IValue *args, RnnMode mode, IValue *rets)
{
    Tensor *x = args[0].as.tensor, *h0, *c0, *steps_first, *rows, *flat, *y;
    TRY(refuse_training(args[5], args[6], args[4].as.i));
    TRY(hidden(args[1], mode == RNN_LSTM, &h0, &c0));
    if (x->view.ndim != 3)
        return op_raise("input must have 3 dimensions, got %d", x->view.ndim);
    bool swap = args[8].as.b;
    const int64_t *s = x->view.size, *st = x->view.stride;
    int order[2] = {swap ? 1 : 0, swap ? 0 : 1};
    TRY(tensor_view(lane, x, 3, (int64_t[]){s[order[0]], s[order[1]], s[2]}, (int64_t[]){st[order[0]], st[order[1]], st[2]}, x->offset, &steps_first));
    Status status = tensor_contiguous(lane, steps_first, &rows);
    tensor_release(steps_first);
    TRY(status);
    Network n = {.mode = mode, .layers = args[4].as.i, .directions = 1 + args[7].as.b, .params = args[2].as.list, .steps = s[order[0]],
                 .sequences = s[order[1]], .rows = s[0] * s[1]};
    status = tensor_view(lane, rows, 2, (int64_t[]){n.rows, s[2]}, (int64_t[]){s[2], 1}, rows->offset, &flat);
    tensor_release(rows);
    TRY(status);
    status = run_network(lane, site, &n, flat, h0, c0, &y);
    tensor_release(flat);
    TRY(status);
    Tensor *shaped;
    int64_t width = y->view.size[1], by_step = n.sequences * width;
    status = tensor_view(lane, y, 3, (int64_t[]){s[0], s[1], width}, swap ? (int64_t[]){width, by_step, 1} : (int64_t[]){by_step, width, 1}, 0, &shaped);
    tensor_release(y);
    if (status != ST_OK) {
        tensor_release(n.h);
        if (n.c)
            tensor_release(n.c);
        return status;
    }
    return give(&n, shaped, rets);
}
OP_FN(op_lstm) { return network_input(lane, site, args, RNN_LSTM, rets); }
OP_FN(op_gru) { return network_input(lane, site, args, RNN_GRU, rets); }

// data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional
static Status network_data(Lane *lane, Site *site, const IValue *args, RnnMode mode, IValue *rets)
{
    Tensor *x = args[0].as.tensor, *sizes = args[1].as.tensor, *h0, *c0, *rows, *y;
    TRY(refuse_training(args[6], args[7], args[5].as.i));
    TRY(hidden(args[2], mode == RNN_LSTM, &h0, &c0));
    const View *v = &sizes->view;
    if (v->ndim != 1 || v->dtype != DT_I64 || !view_is_contiguous(v) || v->size[0] == 0 || x->view.ndim != 2)
        return op_raise("batch_sizes must be a 1D CPU int64 tensor and data have two dimensions");
    Network n = {.mode = mode, .layers = args[5].as.i, .directions = 1 + args[8].as.b, .params = args[3].as.list, .steps = v->size[0], .batch_sizes = v->data};
    n.sequences = n.batch_sizes[0];
    for (int64_t t = 0; t < n.steps; t++) {
        if (n.batch_sizes[t] < 1 || n.batch_sizes[t] > (t ? n.batch_sizes[t - 1] : x->view.size[0]))
            return op_raise("batch_sizes must be positive and in decreasing order");
        n.rows += n.batch_sizes[t];
    }
    if (n.rows != x->view.size[0])
        return op_raise("packed data has %lld rows, batch_sizes say %lld", (long long)x->view.size[0], (long long)n.rows);
    TRY(tensor_contiguous(lane, x, &rows));
    Status status = run_network(lane, site, &n, rows, h0, c0, &y);
    tensor_release(rows);
    TRY(status);
    return give(&n, y, rets);
}
OP_FN(op_lstm_data) { return network_data(lane, site, args, RNN_LSTM, rets); }
OP_FN(op_gru_data) { return network_data(lane, site, args, RNN_GRU, rets); }

// ---- cells: input, hx, w_ih, w_hh, b_ih, b_hh (the biases are in the packed weights)

static Status cell(Lane *lane, Site *site, const IValue *args, RnnMode mode, IValue *rets)
{
    Tensor *x = args[0].as.tensor, *h0, *c0, *g;
    TRY(hidden(args[1], mode == RNN_LSTM, &h0, &c0));
    if (x->view.ndim != 2 || h0->view.ndim != 2 || x->view.size[0] != h0->view.size[0] || (c0 && !view_same_shape(&h0->view, &c0->view)))
        return op_raise("a quantized recurrent cell expects an input and hidden states of two dimensions and the same batch");
    Network n = {.mode = mode, .layers = 1, .directions = 1, .units = h0->view.size[1], .sequences = h0->view.size[0]};
    Cell parameters = {.linear = {args[2].as.object, args[3].as.object}, .reduce_range = true};
    TRY(linear_sites(site, LINEARS, &n.sites));
    TRY(state_copy(lane, h0, &n.h));
    Status status = c0 ? state_copy(lane, c0, &n.c) : ST_OK;
    if (status == ST_OK)
        status = gates(lane, &n, 0, W_IH, &parameters, x, &g);
    if (status == ST_OK) {
        status = step(lane, &n, 0, &parameters, g->view.data, n.sequences, NULL, 0);
        tensor_release(g);
    }
    if (status != ST_OK) {
        tensor_release(n.h);
        if (n.c)
            tensor_release(n.c);
        return status;
    }
    rets[0] = value_tensor_take(n.h);
    if (n.c)
        rets[1] = value_tensor_take(n.c);
    return ST_OK;
}
OP_FN(op_lstm_cell) { return cell(lane, site, args, RNN_LSTM, rets); }
OP_FN(op_gru_cell) { return cell(lane, site, args, RNN_GRU, rets); }
OP_FN(op_tanh_cell) { return cell(lane, site, args, RNN_TANH, rets); }
OP_FN(op_relu_cell) { return cell(lane, site, args, RNN_RELU, rets); }

// ---- parameters

static Status empty_list(Lane *lane, TypeKind kind, const Type *elem, IValue *out)
{
    ListObj *l = list_new(elem ? elem : type_of_kind(lane->types, kind), 4);
    if (!l)
        return ST_MEMORY;
    *out = value_list_take(l);
    return ST_OK;
}

static Status make_cell(Lane *lane, Site *site, const char *kind, IValue b_ih, IValue b_hh, bool reduce_range, IValue w_ih, IValue w_hh, IValue *rets)
{
    IValue v[5] = {0};
    Status status = value_str(str_of(kind), &v[0]);
    if (status == ST_OK)
        status = empty_list(lane, TYPE_TENSOR, NULL, &v[1]);
    if (status == ST_OK)
        status = empty_list(lane, TYPE_FLOAT, NULL, &v[2]);
    if (status == ST_OK)
        status = empty_list(lane, TYPE_INT, NULL, &v[3]);
    if (status == ST_OK)
        status = empty_list(lane, TYPE_NONE, w_ih.as.object->cls->type, &v[4]);
    if (status == ST_OK && b_ih.tag == TAG_TENSOR)
        status = list_push_take(v[1].as.list, value_retain(b_ih));
    if (status == ST_OK && b_hh.tag == TAG_TENSOR)
        status = list_push_take(v[1].as.list, value_retain(b_hh));
    if (status == ST_OK)
        status = list_push_take(v[3].as.list, value_int(reduce_range));
    if (status == ST_OK)
        status = list_push_take(v[4].as.list, value_retain(w_ih));
    if (status == ST_OK)
        status = list_push_take(v[4].as.list, value_retain(w_hh));
    if (status != ST_OK) {
        for (int i = 0; i < 5; i++)
            value_release(v[i]);
        return status;
    }
    return packed_new_take(site, v, 5, &rets[0]);
}
OP_FN(op_make_dynamic) { return make_cell(lane, site, "quantized_dynamic", args[2], args[3], args[4].as.b, args[0], args[1], rets); }
OP_FN(op_make_fp16) { return make_cell(lane, site, "quantized_fp16", value_none(), value_none(), false, args[0], args[1], rets); }

// Parameters of one linear layer, whose weight becomes int8; NULL with *status set when they cannot be made.
static Object *linear_of(Lane *lane, ClassDef *cls, IValue weight, IValue bias, Status *status)
{
    Tensor *w;
    *status = quant_weight_new(lane, weight.as.tensor, &w);
    if (*status != ST_OK)
        return NULL;
    Object *o = object_new(cls);
    if (!o) {
        tensor_release(w);
        *status = ST_MEMORY;
        return NULL;
    }
    o->slots[0] = value_tensor_take(w);
    o->slots[1] = value_retain(bias);
    return o;
}

OP_FN(op_make_int8) // w_ih, w_hh, b_ih, b_hh: matrices of float32
{
    const Type *t = ret_type(site, 0);
    const ClassAttr *params = t && t->cls ? class_attr(t->cls, STR("params")) : NULL;
    const Type *linear = params ? elem_type(params->type) : NULL;
    if (!linear || !linear->cls || linear->cls->attr_count != 2)
        return status_fail(ST_INTERNAL, "the class of packed parameters is not known");
    IValue made[LINEARS] = {{0}};
    Status status = ST_OK;
    for (int i = 0; i < LINEARS && status == ST_OK; i++) {
        Object *o = linear_of(lane, linear->cls, args[i], args[2 + i], &status);
        if (o)
            made[i] = value_object_take(o);
    }
    if (status == ST_OK)
        status = make_cell(lane, site, "quantized", args[2], args[3], false, made[0], made[1], rets);
    for (int i = 0; i < LINEARS; i++)
        value_release(made[i]);
    return status;
}

// Parameters that are tensors come from before PyTorch 1.4, which refuses them as well.
OP_FN(op_outdated)
{
    return op_raise("torch.%s with List[Tensor] for parameters is no longer supported. Please re-export your model using the newer definitions in torch.jit.quantized",
                    strstr(site->op->name, "lstm") ? "quantized_lstm" : "quantized_gru");
}

#define NETWORK(name, fn) {name, fn, OP_QUANTISED, NULL, free_linear_sites}
const OpBinding OPS_QUANT_RNN[] = {
    NETWORK("aten::quantized_lstm.input", op_lstm), NETWORK("aten::quantized_lstm.data", op_lstm_data), NETWORK("aten::quantized_gru.input", op_gru),
    NETWORK("aten::quantized_gru.data", op_gru_data), NETWORK("quantized::quantized_lstm_cell_dynamic", op_lstm_cell),
    NETWORK("quantized::quantized_gru_cell_dynamic", op_gru_cell), NETWORK("quantized::quantized_rnn_tanh_cell_dynamic", op_tanh_cell),
    NETWORK("quantized::quantized_rnn_relu_cell_dynamic", op_relu_cell), QROW("quantized::make_quantized_cell_params_dynamic", op_make_dynamic),
    QROW("quantized::make_quantized_cell_params", op_make_int8), QROW("quantized::make_quantized_cell_params_fp16", op_make_fp16), QROW("aten::quantized_lstm.input_legacy", op_outdated),
    QROW("aten::quantized_lstm.data_legacy", op_outdated), QROW("aten::quantized_gru.input_legacy", op_outdated),
    QROW("aten::quantized_gru.data_legacy", op_outdated),
    {0},
};
