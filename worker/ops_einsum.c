// Operator bindings: einsum, tensordot, bilinear: products of tensors as batches of matrix products.
//
// einsum gives every operand all the labels, in one order (those of the result first, then those summed over; a label an
// operand does not have is a dimension of size 1), and multiplies the operands from left to right. In each product the
// labels fall into four groups: in both and kept (batch), left only (rows), right only (columns), in both and summed.
#include "worker/ops_heavy.h"

#include <string.h>

enum { LETTERS = 52, MAX_OPERANDS = 16, ELLIPSIS = -1 };

typedef struct Term {
    int count;                  // of dimensions
    int label[VIEW_MAX_DIMS];   // letter 0 … 51, or ELLIPSIS - k: the k-th dimension of "..." from the right
} Term;

typedef struct Equation {
    int operands;
    Term in[MAX_OPERANDS], out;
    int ellipsis;               // dimensions that "..." stands for, the most of any operand
} Equation;

static int letter(char c) { return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : -1; }
static char letter_char(int l) { return (char)(l < 26 ? 'A' + l : 'a' + l - 26); }

// One operand's subscripts. `dims`: what they must add up to, or -1 for the result.
static Status parse_term(Str text, int dims, int operand, int ellipsis, Term *t)
{
    int letters = 0, dots = -1;
    t->count = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ' ')
            continue;
        if (text.ptr[i] == '.') {
            if (dots >= 0 || i + 2 >= text.len || text.ptr[i + 1] != '.' || text.ptr[i + 2] != '.')
                return dims < 0 ? op_raise("einsum(): found '.' for output but an ellipsis (...) was already found")
                                : op_raise("einsum(): found '.' for operand %d that is not part of any ellipsis", operand);
            dots = letters;
            i += 2;
            continue;
        }
        int l = letter(text.ptr[i]);
        if (l < 0)
            return op_raise("einsum(): invalid subscript given at index %d in the equation string, subscripts must be in [a-zA-Z]", (int)i);
        if (letters == VIEW_MAX_DIMS)
            return op_raise("einsum(): too many subscripts (limit %d)", VIEW_MAX_DIMS);
        t->label[letters++] = l;
    }
    if (dims >= 0 && (dots < 0 ? letters != dims : letters > dims))
        return op_raise("einsum(): the number of subscripts in the equation (%d) %s the number of dimensions (%d) for operand %d%s", letters,
                        dots < 0 ? "does not match" : "is more than", dims, operand, dots < 0 ? " and no ellipsis was given" : "");
    t->count = letters;
    if (dots >= 0) {
        int n = dims >= 0 ? dims - letters : ellipsis;
        if (letters + n > VIEW_MAX_DIMS)
            return op_raise("einsum(): too many subscripts (limit %d)", VIEW_MAX_DIMS);
        memmove(t->label + dots + n, t->label + dots, sizeof(int) * (size_t)(letters - dots));
        for (int i = 0; i < n; i++)
            t->label[dots + i] = ELLIPSIS - (n - 1 - i);
        t->count += n;
    }
    return ST_OK;
}

// Without "->": "...", then the letters that occur once, in the order of the alphabet.
static Status implicit_output(Equation *e)
{
    int seen[LETTERS] = {0};
    e->out.count = 0;
    for (int i = 0; i < e->operands; i++)
        for (int d = 0; d < e->in[i].count; d++)
            if (e->in[i].label[d] >= 0)
                seen[e->in[i].label[d]]++;
    for (int i = e->ellipsis - 1; i >= 0; i--)
        e->out.label[e->out.count++] = ELLIPSIS - i;
    for (int l = 0; l < LETTERS; l++)
        if (seen[l] == 1) {
            if (e->out.count == VIEW_MAX_DIMS)
                return op_raise("einsum(): too many dimensions (limit %d)", VIEW_MAX_DIMS);
            e->out.label[e->out.count++] = l;
        }
    return ST_OK;
}

static bool term_has(const Term *t, int label)
{
    for (int i = 0; i < t->count; i++)
        if (t->label[i] == label)
            return true;
    return false;
}

static Status check_output(const Equation *e)
{
    for (int i = 0; i < e->out.count; i++) {
        int l = e->out.label[i];
        bool known = l < 0;
        for (int o = 0; o < e->operands; o++)
            known = known || term_has(&e->in[o], l);
        for (int j = 0; j < i; j++)
            if (l >= 0 && e->out.label[j] == l)
                return op_raise("einsum(): output subscript %c appears more than once in the output", letter_char(l));
        if (!known)
            return op_raise("einsum(): output subscript %c does not appear in the equation for any input operand", letter_char(l));
    }
    return ST_OK;
}

static Status parse_equation(Str text, const ListObj *operands, Equation *e)
{
    Str left = text, right = {0};
    bool arrow = false;
    for (size_t i = 0; i + 1 < text.len && !arrow; i++)
        if (text.ptr[i] == '-' && text.ptr[i + 1] == '>') {
            left = str_first(text, i);
            right = str_from(text, i + 2);
            arrow = true;
        }
    if (operands->len == 0)
        return op_raise("einsum(): must provide at least one operand");
    if (operands->len > MAX_OPERANDS)
        return op_raise("einsum(): too many operands (limit %d)", MAX_OPERANDS);
    e->operands = e->ellipsis = 0;
    for (bool more = true; more; e->operands++) {
        ptrdiff_t comma = str_find(left, ',');
        Str term = comma < 0 ? left : str_first(left, (size_t)comma);
        if (e->operands >= (int)operands->len)
            return op_raise("einsum(): fewer operands were provided than specified in the equation");
        TRY(parse_term(term, operands->items[e->operands].as.tensor->view.ndim, e->operands, 0, &e->in[e->operands]));
        more = comma >= 0;
        left = more ? str_from(left, (size_t)comma + 1) : left;
    }
    if (e->operands != (int)operands->len)
        return op_raise("einsum(): more operands were provided than specified in the equation");
    for (int o = 0; o < e->operands; o++) {
        int n = 0;
        for (int d = 0; d < e->in[o].count; d++)
            n += e->in[o].label[d] < 0;
        e->ellipsis = n > e->ellipsis ? n : e->ellipsis;
    }
    TRY(arrow ? parse_term(right, -1, -1, e->ellipsis, &e->out) : implicit_output(e));
    return check_output(e);
}

// All labels: those of the result, then the others. Sizes must agree but for 1.
typedef struct Labels {
    int count;
    int label[VIEW_MAX_DIMS];
    int64_t size[VIEW_MAX_DIMS];
    int kept;                   // the first `kept` are the result's
    int last_use[VIEW_MAX_DIMS]; // last operand that has it
} Labels;

static Status collect_labels(const Equation *e, const ListObj *operands, Labels *l)
{
    l->count = l->kept = e->out.count;
    memcpy(l->label, e->out.label, sizeof(int) * (size_t)l->count);
    for (int o = 0; o < e->operands; o++)
        for (int d = 0; d < e->in[o].count; d++) {
            bool known = false;
            for (int i = 0; i < l->count; i++)
                known = known || l->label[i] == e->in[o].label[d];
            if (known)
                continue;
            if (l->count == VIEW_MAX_DIMS)
                return op_raise("einsum(): too many dimensions (limit %d)", VIEW_MAX_DIMS);
            l->label[l->count++] = e->in[o].label[d];
        }
    for (int i = 0; i < l->count; i++) {
        l->size[i] = 1;
        l->last_use[i] = 0;
        for (int o = 0; o < e->operands; o++)
            for (int d = 0; d < e->in[o].count; d++) {
                if (e->in[o].label[d] != l->label[i])
                    continue;
                int64_t n = operands->items[o].as.tensor->view.size[d];
                l->last_use[i] = o;
                if (n == 1 || l->size[i] == n)
                    continue;
                if (l->size[i] != 1)
                    return op_raise("einsum(): subscript %c has size %lld for operand %d which does not broadcast with previously seen size %lld",
                                    l->label[i] >= 0 ? letter_char(l->label[i]) : '.', (long long)n, o, (long long)l->size[i]);
                l->size[i] = n;
            }
    }
    return ST_OK;
}

// The operand as a view with all the labels; a label it has twice takes the diagonal.
static Status operand_view(Lane *lane, const Term *t, const Labels *l, Tensor *x, Tensor **out)
{
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    TRY(tensor_make_plain(lane, x));
    for (int i = 0; i < l->count; i++) {
        size[i] = 1;
        stride[i] = 0;
        bool first = true;
        for (int d = 0; d < t->count; d++) {
            if (t->label[d] != l->label[i])
                continue;
            if (!first && x->view.size[d] != size[i])
                return op_raise("einsum(): subscript %c is repeated for an operand but the sizes don't match, %lld != %lld", letter_char(l->label[i]),
                                (long long)x->view.size[d], (long long)size[i]);
            size[i] = x->view.size[d];
            stride[i] += x->view.stride[d];
            first = false;
        }
        if (size[i] == 1)
            stride[i] = 1;
    }
    return tensor_view(lane, x, l->count, size, stride, x->offset, out);
}

// *t summed over the marked dimensions, which become size 1: a product with a vector of ones.
static Status sum_over(Lane *lane, Site *site, Tensor **t, const bool *marked)
{
    const View *v = &(*t)->view;
    int order[VIEW_MAX_DIMS], n = 0, kept;
    int64_t size[VIEW_MAX_DIMS], rows = 1, count = 1;
    for (int i = 0; i < v->ndim; i++) {
        size[i] = marked[i] ? 1 : v->size[i];
        if (!marked[i]) {
            order[n++] = i;
            rows *= v->size[i];
        }
    }
    kept = n;
    for (int i = 0; i < v->ndim; i++)
        if (marked[i]) {
            order[n++] = i;
            count *= v->size[i];
        }
    if (kept == v->ndim)
        return ST_OK;
    Tensor *ones, *moved, *flat, *sum, *shaped;
    int ndim = v->ndim;
    DType dtype = tensor_dtype(*t);
    TRY(tensor_from_scalar(lane, value_int(1), dtype, &ones));
    Tensor *stretched;
    Status s = tensor_view(lane, ones, 1, &count, (int64_t[]){0}, ones->offset, &stretched);
    tensor_release(ones);
    TRY(s);
    s = tensor_permuted(lane, *t, order, &moved);
    if (s == ST_OK) {
        s = tensor_reshaped(lane, moved, 2, (int64_t[]){rows, count}, &flat);
        tensor_release(moved);
    }
    if (s == ST_OK) {
        s = product(lane, site, flat, stretched, NULL, 1, 0, &sum);
        tensor_release(flat);
    }
    tensor_release(stretched);
    TRY(s);
    s = tensor_reshaped(lane, sum, ndim, size, &shaped);
    tensor_release(sum);
    TRY(s);
    tensor_release(*t);
    *t = shaped;
    return ST_OK;
}

typedef enum Group { BATCH, ROWS, COLUMNS, SUMMED, GROUPS } Group;

// a and b as [batch, rows, summed] and [batch, summed, columns].
static Status as_matrices(Lane *lane, Tensor *a, const int *order_a, Tensor *b, const int *order_b, const int64_t *n, Tensor **left, Tensor **right)
{
    Tensor *moved;
    TRY(tensor_permuted(lane, a, order_a, &moved));
    Status s = tensor_reshaped(lane, moved, 3, (int64_t[]){n[BATCH], n[ROWS], n[SUMMED]}, left);
    tensor_release(moved);
    TRY(s);
    s = tensor_permuted(lane, b, order_b, &moved);
    if (s == ST_OK) {
        s = tensor_reshaped(lane, moved, 3, (int64_t[]){n[BATCH], n[SUMMED], n[COLUMNS]}, right);
        tensor_release(moved);
    }
    if (s != ST_OK)
        tensor_release(*left);
    return s;
}

static bool any_of(const bool *marked, int n)
{
    bool any = false;
    for (int i = 0; i < n; i++)
        any = any || marked[i];
    return any;
}

// Sums of integers are int64. Takes *t.
static Status widen(Lane *lane, Tensor **t)
{
    Tensor *wide;
    if (dtype_category(tensor_dtype(*t)) > DT_INTEGRAL || tensor_dtype(*t) == DT_I64)
        return ST_OK;
    TRY(tensor_to_dtype(lane, *t, DT_I64, &wide));
    tensor_release(*t);
    *t = wide;
    return ST_OK;
}

// *a = *a times b, summed over the marked labels. b is taken.
static Status multiply(Lane *lane, Site *site, Tensor **a, Tensor *b, const bool *marked)
{
    int ndim = b->view.ndim, order_a[VIEW_MAX_DIMS], order_b[VIEW_MAX_DIMS], back[VIEW_MAX_DIMS], at = 0;
    bool only_a[VIEW_MAX_DIMS] = {0}, only_b[VIEW_MAX_DIMS] = {0};
    Group group[VIEW_MAX_DIMS];
    int64_t n[GROUPS] = {1, 1, 1, 1}, size[VIEW_MAX_DIMS];
    for (int i = 0; i < ndim; i++) {
        bool in_a = (*a)->view.size[i] != 1, in_b = b->view.size[i] != 1;
        only_a[i] = marked[i] && in_a && !in_b;
        only_b[i] = marked[i] && in_b && !in_a;
    }
    bool sums = any_of(only_a, ndim) || any_of(only_b, ndim) || tensor_dtype(*a) != tensor_dtype(b);
    Status s = sums ? widen(lane, a) : ST_OK;
    if (s == ST_OK && sums)
        s = widen(lane, &b);
    if (s == ST_OK)
        s = sum_over(lane, site, a, only_a);
    if (s == ST_OK)
        s = sum_over(lane, site, &b, only_b);
    for (int i = 0; i < ndim && s == ST_OK; i++) {
        int64_t na = (*a)->view.size[i], nb = b->view.size[i];
        group[i] = na != 1 && nb != 1 ? (marked[i] ? SUMMED : BATCH) : nb != 1 ? COLUMNS : ROWS;
        n[group[i]] *= na != 1 ? na : nb;
    }
    static const Group orders[3][GROUPS] = {{BATCH, ROWS, SUMMED, COLUMNS}, {BATCH, SUMMED, COLUMNS, ROWS}, {BATCH, ROWS, COLUMNS, SUMMED}};
    for (int o = 0; o < 3 && s == ST_OK; o++) {
        at = 0;
        for (int g = 0; g < GROUPS; g++)
            for (int i = 0; i < ndim; i++)
                if (group[i] == orders[o][g]) {
                    if (o == 2) { // the product's dimensions in their order, and the way back
                        size[at] = group[i] == SUMMED ? 1 : (*a)->view.size[i] != 1 ? (*a)->view.size[i] : b->view.size[i];
                        back[i] = at++;
                    } else {
                        (o == 0 ? order_a : order_b)[at++] = i;
                    }
                }
    }
    Tensor *left, *right, *flat, *shaped, *out;
    if (s == ST_OK)
        s = as_matrices(lane, *a, order_a, b, order_b, n, &left, &right);
    tensor_release(b);
    TRY(s);
    s = product(lane, site, left, right, NULL, 1, 0, &flat);
    tensor_release(left);
    tensor_release(right);
    TRY(s);
    s = tensor_reshaped(lane, flat, ndim, size, &shaped);
    tensor_release(flat);
    TRY(s);
    s = tensor_permuted(lane, shaped, back, &out);
    tensor_release(shaped);
    TRY(s);
    tensor_release(*a);
    *a = out;
    return ST_OK;
}

static Status einsum(Lane *lane, Site *site, const Equation *e, const Labels *l, const ListObj *operands, Tensor **out)
{
    Tensor *acc, *next;
    bool marked[VIEW_MAX_DIMS];
    TRY(operand_view(lane, &e->in[0], l, operands->items[0].as.tensor, &acc));
    for (int i = 0; i < l->count; i++)
        marked[i] = i >= l->kept && l->last_use[i] == 0;
    Status s = ST_OK;
    bool sums = e->operands == 1 && l->kept < l->count;
    for (int i = 0; i < l->count; i++)
        sums = sums || (marked[i] && acc->view.size[i] != 1);
    if (sums)
        s = widen(lane, &acc);
    if (s == ST_OK)
        s = sum_over(lane, site, &acc, marked);
    for (int o = 1; o < e->operands && s == ST_OK; o++) {
        for (int i = 0; i < l->count; i++)
            marked[i] = i >= l->kept && l->last_use[i] == o;
        s = operand_view(lane, &e->in[o], l, operands->items[o].as.tensor, &next);
        if (s == ST_OK)
            s = multiply(lane, site, &acc, next, marked);
    }
    if (s == ST_OK)
        s = tensor_view(lane, acc, l->kept, acc->view.size, acc->view.stride, acc->offset, out);
    tensor_release(acc);
    return s;
}

// (equation, tensors, *, path)
Status op_einsum(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Equation e;
    Labels l;
    Tensor *out;
    const ListObj *operands = args[1].as.list;
    TRY(parse_equation(str_of_value(args[0]), operands, &e));
    TRY(collect_labels(&e, operands, &l));
    TRY(einsum(lane, site, &e, &l, operands, &out));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// ---- tensordot

// (self, other, dims_self, dims_other): an einsum whose labels follow from the dimensions.
Status op_tensordot(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *x[2] = {arg_tensor(args[0]), arg_tensor(args[1])}, *out;
    int64_t dims[2][VIEW_MAX_DIMS];
    int count[2], next = 0;
    for (int i = 0; i < 2; i++)
        TRY(arg_ints(args[2 + i], dims[i], VIEW_MAX_DIMS, &count[i]));
    if (count[0] != count[1])
        return op_raise("both dimension lists should have same length");
    ListObj *operands = list_new(NULL, 2);
    if (!operands)
        return status_no_memory(sizeof *operands);
    Equation e = {.operands = 2};
    Status s = ST_OK;
    for (int i = 0; i < 2 && s == ST_OK; i++) {
        e.in[i].count = x[i]->view.ndim;
        for (int d = 0; d < VIEW_MAX_DIMS; d++)
            e.in[i].label[d] = -100;
        for (int c = 0; c < count[i] && s == ST_OK; c++) {
            int wrapped;
            s = wrap_dim(dims[i][c], x[i]->view.ndim, &wrapped);
            if (s == ST_OK) {
                e.in[i].label[wrapped] = c;
                dims[i][c] = wrapped;
            }
        }
        next = count[0] + i * VIEW_MAX_DIMS;
        for (int d = 0; d < x[i]->view.ndim && s == ST_OK; d++)
            if (e.in[i].label[d] == -100) {
                e.in[i].label[d] = next;
                e.out.label[e.out.count++ % VIEW_MAX_DIMS] = next++;
            }
        if (s == ST_OK)
            s = list_push_take(operands, value_tensor_take(tensor_retain(x[i])));
    }
    for (int c = 0; c < count[0] && s == ST_OK; c++) {
        int64_t a = x[0]->view.size[dims[0][c]], b = x[1]->view.size[dims[1][c]];
        if (a != b && a != 1 && b != 1)
            s = op_raise("contracted dimensions need to match, but first has size %lld in dim %lld and second has size %lld in dim %lld", (long long)a,
                         (long long)dims[0][c], (long long)b, (long long)dims[1][c]);
    }
    Labels l;
    if (s == ST_OK && e.out.count > VIEW_MAX_DIMS)
        s = op_raise("tensordot: too many dimensions (limit %d)", VIEW_MAX_DIMS);
    if (s == ST_OK)
        s = collect_labels(&e, operands, &l);
    if (s == ST_OK)
        s = einsum(lane, site, &e, &l, operands, &out);
    value_release(value_list_take(operands));
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// ---- bilinear: out[n, o] = sum over i, j of x1[n, i] * weight[o, i, j] * x2[n, j], plus bias

// x1 times the weight, as [n, outputs, second].
static Status first_product(Lane *lane, Site *site, Tensor *x1, Tensor *w, int64_t n, Tensor **out)
{
    const int64_t *ws = w->view.size;
    Tensor *moved, *matrix, *rows, *flat;
    TRY(tensor_permuted(lane, w, (int[]){1, 0, 2}, &moved));
    Status s = tensor_reshaped(lane, moved, 2, (int64_t[]){ws[1], ws[0] * ws[2]}, &matrix);
    tensor_release(moved);
    TRY(s);
    s = tensor_reshaped(lane, x1, 2, (int64_t[]){n, ws[1]}, &rows);
    if (s == ST_OK) {
        s = product(lane, site, rows, matrix, NULL, 1, 0, &flat);
        tensor_release(rows);
    }
    tensor_release(matrix);
    TRY(s);
    s = tensor_reshaped(lane, flat, 3, (int64_t[]){n, ws[0], ws[2]}, out);
    tensor_release(flat);
    return s;
}

Status op_bilinear(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *x1 = arg_tensor(args[0]), *x2 = arg_tensor(args[1]), *w = arg_tensor(args[2]), *bias = arg_tensor(args[3]);
    int ndim = x1->view.ndim;
    int64_t n = 1, size[VIEW_MAX_DIMS];
    if (ndim < 1 || ndim != x2->view.ndim || w->view.ndim != 3)
        return op_raise("bilinear(): input dimensions do not match: got %d and %d", ndim, x2->view.ndim);
    for (int i = 0; i + 1 < ndim; i++) {
        if (x1->view.size[i] != x2->view.size[i])
            return op_raise("bilinear(): input batch dimensions do not match at dim %d: got %lld and %lld", i, (long long)x1->view.size[i],
                            (long long)x2->view.size[i]);
        size[i] = x1->view.size[i];
        n *= size[i];
    }
    if (x1->view.size[ndim - 1] != w->view.size[1] || x2->view.size[ndim - 1] != w->view.size[2])
        return op_raise("bilinear(): input1 size does not match weight size: got %lld but expected %lld", (long long)x1->view.size[ndim - 1],
                        (long long)w->view.size[1]);
    size[ndim - 1] = w->view.size[0];
    Tensor *half, *column, *added = NULL, *flat, *out;
    TRY(first_product(lane, site, x1, w, n, &half));
    Status s = tensor_reshaped(lane, x2, 3, (int64_t[]){n, w->view.size[2], 1}, &column);
    if (s == ST_OK && bias)
        s = tensor_add_dim(lane, bias, 1, &added);
    if (s == ST_OK) {
        s = product(lane, site, half, column, added, 1, 1, &flat);
        tensor_release(column);
    }
    tensor_release(half);
    if (added)
        tensor_release(added);
    TRY(s);
    s = tensor_reshaped(lane, flat, ndim, size, &out);
    tensor_release(flat);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}
