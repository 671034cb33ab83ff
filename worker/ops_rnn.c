// Operator bindings: recurrent networks (lstm, gru, rnn_*), their cells, and packed sequences.
// A network is run layer by layer; kernels/rnn.h has the layer. A packed sequence is run in stretches of steps that have
// the same number of sequences.
#include "kernels/copy.h"
#include "kernels/rnn.h"
#include "worker/op.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_WEIGHTS = RNN_WEIGHTS };

// What one call of aten::lstm and its kin was given.
typedef struct Network {
    double dropout; // between layers; 0 unless training
    int mode, layers, directions, per_direction; // tensors per layer and direction in params
    bool biases, batch_first;
    const ListObj *params;
    Tensor *h0, *c0; // [layers · D, N, P], [layers · D, N, H]; c0 NULL but for LSTM
} Network;

// The prepared kernels of a network: a site per layer and direction, so that layers do not push each other out.
typedef struct LayerSites {
    uint32_t count;
    Site sites[];
} LayerSites;

static void layer_sites_free(void *user)
{
    LayerSites *l = user;
    for (uint32_t i = 0; i < l->count; i++)
        site_clear(&l->sites[i]);
    free(l);
}

static Status layer_site(Site *site, const Network *n, int index, Site **out)
{
    LayerSites *l = site->user;
    uint32_t count = (uint32_t)(n->layers * n->directions);
    if (l && l->count != count) {
        layer_sites_free(l);
        site->user = l = NULL;
    }
    if (!l) {
        size_t bytes = sizeof *l + count * sizeof *l->sites;
        if (!(l = calloc(1, bytes)))
            return status_no_memory(bytes);
        l->count = count;
        for (uint32_t i = 0; i < count; i++)
            l->sites[i].node = site->node;
        site->user = l;
    }
    *out = &l->sites[index];
    return ST_OK;
}

static Status list_tensor(const ListObj *l, uint32_t i, Tensor **out)
{
    if (i >= l->len || l->items[i].tag != TAG_TENSOR)
        return op_raise("expected %u tensors in the list, got %u", i + 1, l->len);
    *out = l->items[i].as.tensor;
    return ST_OK;
}

static Status network_check(Network *n)
{
    uint32_t groups = (uint32_t)(n->layers * n->directions);
    if (n->layers < 1 || groups == 0 || n->params->len % groups)
        return op_raise("got an incorrect number of RNN parameters");
    n->per_direction = (int)(n->params->len / groups);
    int plain = n->biases ? 4 : 2;
    if (n->per_direction != plain && !(n->mode == RNN_LSTM && n->per_direction == plain + 1))
        return op_raise("got an incorrect number of RNN parameters");
    if (n->h0->view.ndim != 3 || n->h0->view.size[0] != groups || (n->c0 && (n->c0->view.ndim != 3 || n->c0->view.size[0] != groups)))
        return op_raise("Expected hidden[0] size to start with %u (layers × directions)", groups);
    return ST_OK;
}

// The RNN_WEIGHTS operands of a layer and direction; absent ones NULL.
static Status layer_weights(const Network *n, int layer, int direction, Tensor *out[MAX_WEIGHTS])
{
    uint32_t first = (uint32_t)((layer * n->directions + direction) * n->per_direction);
    int plain = n->biases ? 4 : 2;
    memset(out, 0, sizeof *out * MAX_WEIGHTS);
    for (int i = 0; i < plain; i++)
        TRY(list_tensor(n->params, first + (uint32_t)i, &out[i]));
    if (n->per_direction > plain)
        TRY(list_tensor(n->params, first + (uint32_t)plain, &out[4]));
    return ST_OK;
}

// t[first : first + count] along `dim`, as a view.
static Status narrow(Lane *lane, Tensor *t, int dim, int64_t first, int64_t count, Tensor **out)
{
    int64_t size[VIEW_MAX_DIMS];
    memcpy(size, t->view.size, sizeof size);
    size[dim] = count;
    return tensor_view(lane, t, t->view.ndim, size, t->view.stride, t->offset + first * t->view.stride[dim], out);
}

static Status swap_first_two(Lane *lane, Tensor *t, Tensor **out)
{
    const View *v = &t->view;
    return tensor_view(lane, t, 3, (int64_t[]){v->size[1], v->size[0], v->size[2]}, (int64_t[]){v->stride[1], v->stride[0], v->stride[2]},
                       t->offset, out);
}

typedef struct LayerResult {
    Tensor *y, *h, *c; // c NULL but for LSTM
} LayerResult;

static void layer_result_release(LayerResult *r)
{
    Tensor *all[] = {r->y, r->h, r->c};
    for (int i = 0; i < 3; i++)
        if (all[i])
            tensor_release(all[i]);
    *r = (LayerResult){0};
}

static Status run_kernel(Lane *lane, Site *site, const RnnParams *p, Tensor *x, Tensor *h0, Tensor *c0, Tensor *const *weights, LayerResult *out)
{
    Tensor *in[RNN_INPUTS_MAX] = {x, h0, c0}, *rets[3] = {0};
    int count = RNN_WEIGHTS * p->directions;
    memcpy(in + RNN_FIRST_WEIGHT, weights, sizeof *weights * (size_t)count);
    TRY(kernel_call(lane, site, &kernel_rnn_layer, p, sizeof *p, in, RNN_FIRST_WEIGHT + count, rets, p->mode == RNN_LSTM ? 3 : 2));
    *out = (LayerResult){rets[0], rets[1], rets[2]};
    return ST_OK;
}

// One layer over a whole batch; x [T, N, I].
static Status run_layer(Lane *lane, Site *site, const Network *n, int layer, Tensor *x, LayerResult *out)
{
    RnnParams p = {.mode = n->mode, .directions = n->directions};
    Tensor *weights[2 * RNN_WEIGHTS], *h0, *c0 = NULL;
    TRY(layer_site(site, n, layer * n->directions, &site));
    for (int d = 0; d < n->directions; d++)
        TRY(layer_weights(n, layer, d, weights + RNN_WEIGHTS * d));
    TRY(narrow(lane, n->h0, 0, layer * n->directions, n->directions, &h0));
    Status status = n->c0 ? narrow(lane, n->c0, 0, layer * n->directions, n->directions, &c0) : ST_OK;
    if (status == ST_OK)
        status = run_kernel(lane, site, &p, x, h0, c0, weights, out);
    tensor_release(h0);
    if (c0)
        tensor_release(c0);
    return status;
}

static Status store_state(Lane *lane, Tensor *all, int64_t first, Tensor *part)
{
    if (!all)
        return ST_OK;
    Tensor *place;
    TRY(narrow(lane, all, 0, first, part->view.size[0], &place));
    Status status = tensor_copy_into(lane, place, part);
    tensor_release(place);
    return status;
}

static Status new_state(Lane *lane, const Tensor *like, Tensor **out)
{
    *out = NULL;
    return like ? tensor_new(lane, tensor_dtype(like), 3, like->view.size, out) : ST_OK;
}

// A layer: gives y for x; reads and writes its part of the states.
typedef Status (*LayerFn)(Lane *lane, Site *site, const Network *n, int layer, Tensor *x, void *ctx, LayerResult *out);

static Status run_layer_dense(Lane *lane, Site *site, const Network *n, int layer, Tensor *x, void *ctx, LayerResult *out)
{
    (void)ctx;
    return run_layer(lane, site, n, layer, x, out);
}

// What the next layer sees when the network trains. One draw per element, in the order of steps: y may lie otherwise.
static Status drop_between(Lane *lane, const Network *n, Tensor **y)
{
    Site site = {.op = op_find(STR("aten::dropout")), .arg_count = 3, .ret_count = 1};
    Tensor *steps_first;
    IValue dropped;
    TRY(tensor_contiguous(lane, *y, &steps_first));
    Status status = site.op->fn(lane, &site, (IValue[]){value_tensor_take(steps_first), value_float(n->dropout), value_bool(true)}, &dropped);
    tensor_release(steps_first);
    TRY(status);
    tensor_release(*y);
    *y = dropped.as.tensor;
    return ST_OK;
}

// All layers; *y, *h and *c are the caller's.
static Status run_network(Lane *lane, Site *site, const Network *n, Tensor *input, LayerFn layer_fn, void *ctx, LayerResult *out)
{
    LayerResult all = {0};
    Tensor *x = tensor_retain(input);
    Status status = new_state(lane, n->h0, &all.h);
    if (status == ST_OK)
        status = new_state(lane, n->c0, &all.c);
    for (int layer = 0; status == ST_OK && layer < n->layers; layer++) {
        LayerResult r = {0};
        status = layer_fn(lane, site, n, layer, x, ctx, &r);
        if (status == ST_OK)
            status = store_state(lane, all.h, layer * n->directions, r.h);
        if (status == ST_OK && r.c)
            status = store_state(lane, all.c, layer * n->directions, r.c);
        if (status == ST_OK && n->dropout > 0 && layer + 1 < n->layers)
            status = drop_between(lane, n, &r.y);
        if (status == ST_OK) {
            tensor_release(x);
            x = tensor_retain(r.y);
        }
        layer_result_release(&r);
    }
    all.y = x;
    if (status != ST_OK) {
        layer_result_release(&all);
        return status;
    }
    *out = all;
    return ST_OK;
}

static void give(const LayerResult *r, IValue *rets)
{
    rets[0] = value_tensor_take(r->y);
    rets[1] = value_tensor_take(r->h);
    if (r->c)
        rets[2] = value_tensor_take(r->c);
}

// lstm.input(input, hx[], params[], has_biases, num_layers, dropout, train, bidirectional, batch_first); the others have one hx.
static Status op_rnn_input(Lane *lane, Site *site, const IValue *a, IValue *r)
{
    Network n = {.mode = *(const int *)site->op->data, .biases = a[3].as.b, .layers = (int)a[4].as.i, .directions = 1 + a[7].as.b,
                 .batch_first = a[8].as.b, .params = a[2].as.list, .h0 = arg_tensor(a[1])};
    if (n.mode == RNN_LSTM) {
        TRY(list_tensor(a[1].as.list, 0, &n.h0));
        TRY(list_tensor(a[1].as.list, 1, &n.c0));
    }
    TRY(network_check(&n));
    n.dropout = a[6].as.b ? arg_double(a[5]) : 0;
    Tensor *x = arg_tensor(a[0]), *steps_first;
    if (x->view.ndim != 3)
        return op_raise("input must have 3 dimensions, got %d", x->view.ndim);
    if (!n.batch_first)
        steps_first = tensor_retain(x);
    else
        TRY(swap_first_two(lane, x, &steps_first));
    LayerResult all;
    Status status = run_network(lane, site, &n, steps_first, run_layer_dense, NULL, &all);
    tensor_release(steps_first);
    TRY(status);
    if (n.batch_first) {
        Tensor *y;
        status = swap_first_two(lane, all.y, &y);
        tensor_release(all.y);
        all.y = y;
        if (status != ST_OK) {
            all.y = NULL;
            layer_result_release(&all);
            return status;
        }
    }
    give(&all, r);
    return ST_OK;
}

// ---- packed sequences: data [sum of lengths, I], batch_sizes [T], longest sequence first

typedef struct Packed {
    const int64_t *batch_sizes;
    int64_t steps, sequences; // sequences: batch_sizes[0]
} Packed;

static Status packed_of(const Tensor *sizes, const Tensor *data, Packed *out)
{
    const View *v = &sizes->view;
    if (v->ndim != 1 || v->dtype != DT_I64 || !view_is_contiguous(v) || v->size[0] == 0)
        return op_raise("batch_sizes must be a 1D CPU int64 tensor");
    *out = (Packed){v->data, v->size[0], ((const int64_t *)v->data)[0]};
    int64_t rows = 0;
    for (int64_t t = 0; t < out->steps; t++) {
        int64_t n = out->batch_sizes[t];
        if (n < 1 || (t && n > out->batch_sizes[t - 1]))
            return op_raise("batch_sizes must be positive and in decreasing order");
        rows += n;
    }
    return rows == data->view.size[0] ? ST_OK : op_raise("packed data has %lld rows, batch_sizes say %lld", (long long)data->view.size[0], (long long)rows);
}

typedef struct Direction {
    RnnParams p;
    Tensor *weights[RNN_WEIGHTS];
    Tensor *h, *c; // [1, sequences, ·]: states as the stretches leave them
    Tensor *y;     // [rows, P] of this direction, a view of the layer's output
} Direction;

// Steps [t, t + count) have `batch` sequences and begin at row `row` of x.
static Status run_stretch(Lane *lane, Site *site, Direction *d, Tensor *x, int64_t row, int64_t count, int64_t batch)
{
    const View *xv = &x->view;
    int64_t width = xv->size[1];
    Tensor *part = NULL, *h = NULL, *c = NULL, *hc = NULL, *cc = NULL, *y = NULL;
    LayerResult r = {0};
    Status status = tensor_view(lane, x, 3, (int64_t[]){count, batch, width}, (int64_t[]){batch * xv->stride[0], xv->stride[0], xv->stride[1]},
                                x->offset + row * xv->stride[0], &part);
    if (status == ST_OK)
        status = narrow(lane, d->h, 1, 0, batch, &h);
    if (status == ST_OK && d->c)
        status = narrow(lane, d->c, 1, 0, batch, &c);
    if (status == ST_OK)
        status = tensor_contiguous(lane, h, &hc);
    if (status == ST_OK && c)
        status = tensor_contiguous(lane, c, &cc);
    if (status == ST_OK)
        status = run_kernel(lane, site, &d->p, part, hc, cc, d->weights, &r);
    if (status == ST_OK)
        status = tensor_copy_into(lane, h, r.h);
    if (status == ST_OK && c)
        status = tensor_copy_into(lane, c, r.c);
    if (status == ST_OK)
        status = tensor_view(lane, d->y, 3, (int64_t[]){count, batch, d->y->view.size[1]},
                             (int64_t[]){batch * d->y->view.stride[0], d->y->view.stride[0], d->y->view.stride[1]},
                             d->y->offset + row * d->y->view.stride[0], &y);
    if (status == ST_OK)
        status = tensor_copy_into(lane, y, r.y);
    Tensor *all[] = {part, h, c, hc, cc, y};
    for (int i = 0; i < 6; i++)
        if (all[i])
            tensor_release(all[i]);
    layer_result_release(&r);
    return status;
}

// Forwards the states of sequences that have ended stay where they are; backwards the longer ones begin first.
static Status run_direction(Lane *lane, Site *site, Direction *d, const Packed *packed, Tensor *x)
{
    if (!d->p.reverse) {
        for (int64_t t = 0, row = 0; t < packed->steps;) {
            int64_t count = 1, batch = packed->batch_sizes[t];
            while (t + count < packed->steps && packed->batch_sizes[t + count] == batch)
                count++;
            TRY(run_stretch(lane, site, d, x, row, count, batch));
            t += count;
            row += count * batch;
        }
        return ST_OK;
    }
    for (int64_t t = packed->steps, row = x->view.size[0]; t > 0;) {
        int64_t count = 1, batch = packed->batch_sizes[t - 1];
        while (t - count > 0 && packed->batch_sizes[t - count - 1] == batch)
            count++;
        t -= count;
        row -= count * batch;
        TRY(run_stretch(lane, site, d, x, row, count, batch));
    }
    return ST_OK;
}

static Status initial_state(Lane *lane, Tensor *all, int64_t index, Tensor *result, int direction, Tensor **out)
{
    *out = NULL;
    if (!all)
        return ST_OK;
    Tensor *from;
    TRY(narrow(lane, all, 0, index, 1, &from));
    Status status = narrow(lane, result, 0, direction, 1, out);
    if (status == ST_OK)
        status = tensor_copy_into(lane, *out, from);
    tensor_release(from);
    return status;
}

static Status run_layer_packed(Lane *lane, Site *site, const Network *n, int layer, Tensor *x, void *ctx, LayerResult *out)
{
    const Packed *packed = ctx;
    LayerResult r = {0};
    int64_t width = n->h0->view.size[2], dirs = n->directions;
    Status status = tensor_new(lane, tensor_dtype(x), 2, (int64_t[]){x->view.size[0], width * dirs}, &r.y);
    if (status == ST_OK)
        status = tensor_new(lane, tensor_dtype(x), 3, (int64_t[]){dirs, packed->sequences, width}, &r.h);
    if (status == ST_OK && n->c0)
        status = tensor_new(lane, tensor_dtype(x), 3, (int64_t[]){dirs, packed->sequences, n->c0->view.size[2]}, &r.c);
    for (int i = 0; status == ST_OK && i < n->directions; i++) {
        Direction d = {.p = {.mode = n->mode, .directions = 1, .reverse = i == 1}};
        int index = layer * n->directions + i;
        status = layer_weights(n, layer, i, d.weights);
        if (status == ST_OK)
            status = initial_state(lane, n->h0, index, r.h, i, &d.h);
        if (status == ST_OK)
            status = initial_state(lane, n->c0, index, r.c, i, &d.c);
        if (status == ST_OK)
            status = narrow(lane, r.y, 1, i * width, width, &d.y);
        Site *own = NULL;
        if (status == ST_OK)
            status = layer_site(site, n, index, &own);
        if (status == ST_OK)
            status = run_direction(lane, own, &d, packed, x);
        Tensor *all[] = {d.h, d.c, d.y};
        for (int j = 0; j < 3; j++)
            if (all[j])
                tensor_release(all[j]);
    }
    if (status != ST_OK) {
        layer_result_release(&r);
        return status;
    }
    *out = r;
    return ST_OK;
}

// lstm.data(data, batch_sizes, hx[], params[], has_biases, num_layers, dropout, train, bidirectional)
static Status op_rnn_data(Lane *lane, Site *site, const IValue *a, IValue *r)
{
    Network n = {.mode = *(const int *)site->op->data, .biases = a[4].as.b, .layers = (int)a[5].as.i, .directions = 1 + a[8].as.b,
                 .params = a[3].as.list, .h0 = arg_tensor(a[2])};
    if (n.mode == RNN_LSTM) {
        TRY(list_tensor(a[2].as.list, 0, &n.h0));
        TRY(list_tensor(a[2].as.list, 1, &n.c0));
    }
    TRY(network_check(&n));
    n.dropout = a[7].as.b ? arg_double(a[6]) : 0;
    Tensor *data = arg_tensor(a[0]);
    if (data->view.ndim != 2)
        return op_raise("packed data must have 2 dimensions, got %d", data->view.ndim);
    Packed packed;
    TRY(packed_of(arg_tensor(a[1]), data, &packed));
    if (n.h0->view.size[1] != packed.sequences)
        return op_raise("Expected hidden batch %lld, got %lld", (long long)packed.sequences, (long long)n.h0->view.size[1]);
    LayerResult all;
    TRY(run_network(lane, site, &n, data, run_layer_packed, &packed, &all));
    give(&all, r);
    return ST_OK;
}

// _pack_padded_sequence(input, lengths, batch_first) -> (data, batch_sizes)
static Status op_pack(Lane *lane, Site *site, const IValue *a, IValue *r)
{
    (void)site;
    const View *in = &arg_tensor(a[0])->view, *lengths = &arg_tensor(a[1])->view;
    if (in->ndim < 2 || lengths->ndim != 1 || lengths->dtype != DT_I64 || !view_is_contiguous(lengths))
        return op_raise("_pack_padded_sequence expects a padded batch and a 1D int64 tensor of lengths");
    int batch_dim = a[2].as.b ? 0 : 1, step_dim = 1 - batch_dim;
    const int64_t *length = lengths->data;
    int64_t batch = in->size[batch_dim], steps = batch ? length[0] : 0, rows = 0;
    if (lengths->size[0] != batch || batch == 0)
        return op_raise("Expected `len(lengths)` to be equal to batch_size, but got %lld (batch_size=%lld)", (long long)lengths->size[0], (long long)batch);
    for (int64_t i = 0; i < batch; i++) {
        if (length[i] <= 0)
            return op_raise("Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0");
        if (i && length[i] > length[i - 1])
            return op_raise("`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
                            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you "
                            "do not need ONNX exportability.");
        rows += length[i];
    }
    if (steps > in->size[step_dim])
        return op_raise("Expected sequence length to be smaller than %lld, but found %lld", (long long)in->size[step_dim], (long long)steps);
    View flat = {.dtype = in->dtype};
    int64_t size[VIEW_MAX_DIMS];
    size[0] = rows;
    for (int d = 2; d < in->ndim; d++)
        size[d - 1] = in->size[d];
    Tensor *data, *sizes;
    TRY(tensor_new(lane, (DType)in->dtype, in->ndim - 1, size, &data));
    Status status = tensor_new(lane, DT_I64, 1, &steps, &sizes);
    if (status != ST_OK) {
        tensor_release(data);
        return status;
    }
    flat = data->view;
    for (int64_t t = 0, row = 0, n = batch; status == ST_OK && t < steps; t++, row += n) {
        while (n > 0 && length[n - 1] <= t)
            n--;
        ((int64_t *)sizes->view.data)[t] = n;
        View from = flat, to = flat; // [n, features…] of step t
        from.size[0] = to.size[0] = n;
        from.stride[0] = in->stride[batch_dim];
        for (int d = 2; d < in->ndim; d++)
            from.stride[d - 1] = in->stride[d];
        from.data = (char *)in->data + t * in->stride[step_dim] * (int64_t)dtype_size((DType)in->dtype);
        to.data = (char *)flat.data + row * flat.stride[0] * (int64_t)dtype_size((DType)in->dtype);
        status = copy_convert(&to, &from);
    }
    if (status != ST_OK) {
        tensor_release(data);
        tensor_release(sizes);
        return status;
    }
    r[0] = value_tensor_take(data);
    r[1] = value_tensor_take(sizes);
    return ST_OK;
}

// _pad_packed_sequence(data, batch_sizes, batch_first, padding_value, total_length) -> (padded, lengths)
static Status op_pad(Lane *lane, Site *site, const IValue *a, IValue *r)
{
    (void)site;
    Tensor *data = arg_tensor(a[0]);
    Packed packed;
    TRY(packed_of(arg_tensor(a[1]), data, &packed));
    const View *in = &data->view;
    int64_t total = arg_int(a[4]) > 0 ? arg_int(a[4]) : packed.steps;
    if (total < packed.steps)
        return op_raise("Expected total_length to be at least the length of the longest sequence in input, but got total_length=%lld and "
                        "max sequence length being %lld", (long long)total, (long long)packed.steps);
    int batch_dim = a[2].as.b ? 0 : 1;
    int64_t size[VIEW_MAX_DIMS];
    size[batch_dim] = packed.sequences;
    size[1 - batch_dim] = total;
    for (int d = 1; d < in->ndim; d++)
        size[d + 1] = in->size[d];
    if (in->ndim + 1 > VIEW_MAX_DIMS)
        return op_raise("too many dimensions (limit %d)", VIEW_MAX_DIMS);
    Tensor *padded, *lengths, *fill;
    TRY(tensor_from_scalar(lane, a[3], (DType)in->dtype, &fill));
    Status status = tensor_new(lane, (DType)in->dtype, in->ndim + 1, size, &padded);
    if (status == ST_OK) {
        status = tensor_copy_into(lane, padded, fill);
        if (status == ST_OK)
            status = tensor_new(lane, DT_I64, 1, &packed.sequences, &lengths);
        if (status != ST_OK)
            tensor_release(padded);
    }
    tensor_release(fill);
    TRY(status);
    int64_t *length = lengths->view.data;
    memset(length, 0, sizeof *length * (size_t)packed.sequences);
    for (int64_t t = 0, row = 0; status == ST_OK && t < packed.steps; row += packed.batch_sizes[t], t++) {
        int64_t n = packed.batch_sizes[t];
        View from = *in, to = *in;
        from.size[0] = to.size[0] = n;
        from.data = (char *)in->data + row * in->stride[0] * (int64_t)dtype_size((DType)in->dtype);
        to.stride[0] = padded->view.stride[batch_dim];
        for (int d = 1; d < in->ndim; d++)
            to.stride[d] = padded->view.stride[d + 1];
        to.data = (char *)padded->view.data + t * padded->view.stride[1 - batch_dim] * (int64_t)dtype_size((DType)in->dtype);
        status = copy_convert(&to, &from);
        for (int64_t i = 0; i < n; i++)
            length[i]++;
    }
    if (status != ST_OK) {
        tensor_release(padded);
        tensor_release(lengths);
        return status;
    }
    r[0] = value_tensor_take(padded);
    r[1] = value_tensor_take(lengths);
    return ST_OK;
}

// ---- cells: one step

static Status unsqueeze0(Lane *lane, Tensor *t, Tensor **out)
{
    const View *v = &t->view;
    if (v->ndim != 2)
        return op_raise("recurrent cells take a batch of rows: expected 2 dimensions, got %d", v->ndim);
    return tensor_view(lane, t, 3, (int64_t[]){1, v->size[0], v->size[1]}, (int64_t[]){v->size[0] * v->stride[0], v->stride[0], v->stride[1]},
                       t->offset, out);
}

// The only row of [1, N, H], as [N, H]; releases t.
static Status squeeze0_take(Lane *lane, Tensor *t, Tensor **out)
{
    Status status = tensor_view(lane, t, 2, t->view.size + 1, t->view.stride + 1, t->offset, out);
    tensor_release(t);
    return status;
}

// lstm_cell(input, hx[], w_ih, w_hh, b_ih?, b_hh?) -> (h, c); gru_cell and rnn_*_cell(input, hx, …) -> h
static Status op_cell(Lane *lane, Site *site, const IValue *a, IValue *r)
{
    RnnParams p = {.mode = *(const int *)site->op->data, .directions = 1};
    bool lstm = p.mode == RNN_LSTM;
    Tensor *h0 = arg_tensor(a[1]), *c0 = NULL, *x3 = NULL, *h3 = NULL, *c3 = NULL, *h = NULL, *c = NULL;
    if (lstm) {
        TRY(list_tensor(a[1].as.list, 0, &h0));
        TRY(list_tensor(a[1].as.list, 1, &c0));
    }
    Tensor *weights[RNN_WEIGHTS] = {arg_tensor(a[2]), arg_tensor(a[3]), arg_tensor(a[4]), arg_tensor(a[5]), NULL};
    LayerResult result = {0};
    Status status = unsqueeze0(lane, arg_tensor(a[0]), &x3);
    if (status == ST_OK)
        status = unsqueeze0(lane, h0, &h3);
    if (status == ST_OK && lstm)
        status = unsqueeze0(lane, c0, &c3);
    if (status == ST_OK)
        status = run_kernel(lane, site, &p, x3, h3, c3, weights, &result);
    if (status == ST_OK) {
        Tensor *state = result.h, *cell = result.c;
        result.h = result.c = NULL;
        status = squeeze0_take(lane, state, &h);
        if (cell) {
            Status second = squeeze0_take(lane, cell, &c);
            status = status == ST_OK ? second : status;
        }
    }
    layer_result_release(&result);
    Tensor *all[] = {x3, h3, c3};
    for (int i = 0; i < 3; i++)
        if (all[i])
            tensor_release(all[i]);
    if (status != ST_OK) {
        if (h)
            tensor_release(h);
        if (c)
            tensor_release(c);
        return status;
    }
    r[0] = value_tensor_take(h);
    if (lstm)
        r[1] = value_tensor_take(c);
    return ST_OK;
}

static const int mode_lstm = RNN_LSTM, mode_gru = RNN_GRU, mode_tanh = RNN_TANH, mode_relu = RNN_RELU;

const OpBinding OPS_RNN[] = {
    {"aten::lstm.input", op_rnn_input, 0, &mode_lstm, layer_sites_free},
    {"aten::lstm.data", op_rnn_data, 0, &mode_lstm, layer_sites_free},
    {"aten::lstm_cell", op_cell, 0, &mode_lstm, NULL},
    {"aten::gru.input", op_rnn_input, 0, &mode_gru, layer_sites_free},
    {"aten::gru.data", op_rnn_data, 0, &mode_gru, layer_sites_free},
    {"aten::gru_cell", op_cell, 0, &mode_gru, NULL},
    {"aten::rnn_tanh.input", op_rnn_input, 0, &mode_tanh, layer_sites_free},
    {"aten::rnn_tanh.data", op_rnn_data, 0, &mode_tanh, layer_sites_free},
    {"aten::rnn_tanh_cell", op_cell, 0, &mode_tanh, NULL},
    {"aten::rnn_relu.input", op_rnn_input, 0, &mode_relu, layer_sites_free},
    {"aten::rnn_relu.data", op_rnn_data, 0, &mode_relu, layer_sites_free},
    {"aten::rnn_relu_cell", op_cell, 0, &mode_relu, NULL},
    {"aten::_pack_padded_sequence", op_pack, 0, NULL, NULL},
    {"aten::_pad_packed_sequence", op_pad, 0, NULL, NULL},
    {0},
};
