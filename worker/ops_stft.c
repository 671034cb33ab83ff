// Operator bindings: short-time Fourier transforms and their inverse.
// Frames are a strided view of the signal; the way back adds windows that overlap.
#include "worker/ops_fft.h"
#include "worker/sequence.h"

#include <math.h>

static const IValue none = {.tag = TAG_NONE};

typedef struct Stft {
    int64_t n_fft, hop, win;
    IValue window, onesided, return_complex, align, length;
    bool center, normalized;
} Stft;

// "torch.FloatTensor"
static void tensor_text(const Tensor *t, char *text, size_t size)
{
    snprintf(text, size, "torch.%sTensor%s", dtype_torch_name(tensor_dtype(t)), size_text(t->view.size, t->view.ndim).text);
}

static void window_text(IValue w, char *text, size_t size)
{
    if (w.tag == TAG_TENSOR)
        snprintf(text, size, "torch.%sTensor{%s}", dtype_torch_name(tensor_dtype(w.as.tensor)), size_text(w.as.tensor->view.size, w.as.tensor->view.ndim).text);
    else
        snprintf(text, size, "None");
}

static const char *bool_text(IValue v) { return arg_is_none(v) ? "None" : v.as.b ? "1" : "0"; }

// PyTorch repeats the call in its messages.
static Status raise_stft(const char *python_class, const Tensor *t, const Stft *a, const char *fmt, ...) PRINTF_LIKE(4, 5);
static Status raise_stft(const char *python_class, const Tensor *t, const Stft *a, const char *fmt, ...)
{
    char what[300], self[300], window[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    tensor_text(t, self, sizeof self);
    window_text(a->window, window, sizeof window);
    return op_raise_class(python_class, "stft(%s, n_fft=%lld, hop_length=%lld, win_length=%lld, window=%s, normalized=%d, onesided=%s, return_complex=%s, align_to_window=%s) : expected %s",
                          self, (long long)a->n_fft, (long long)a->hop, (long long)a->win, window, a->normalized, bool_text(a->onesided), bool_text(a->return_complex),
                          bool_text(a->align), what);
}

static Status raise_istft(const Tensor *t, const Stft *a, const char *fmt, ...) PRINTF_LIKE(3, 4);
static Status raise_istft(const Tensor *t, const Stft *a, const char *fmt, ...)
{
    char what[300], window[300], length[32] = "None";
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    window_text(a->window, window, sizeof window);
    if (!arg_is_none(a->length))
        snprintf(length, sizeof length, "%lld", (long long)a->length.as.i);
    return op_raise("istft(CPU%sType%s, n_fft=%lld, hop_length=%lld, win_length=%lld, window=%s, center=%d, normalized=%d, onesided=%s, length=%s, return_complex=%s) %s",
                    dtype_torch_name(tensor_dtype(t)), size_text(t->view.size, t->view.ndim).text, (long long)a->n_fft, (long long)a->hop, (long long)a->win, window,
                    a->center, a->normalized, bool_text(a->onesided), length, bool_text(a->return_complex), what);
}

static IValue padded(Sequence *q, IValue t, int64_t left, int64_t right, const char *mode)
{
    return STEP(q, "aten::pad", t, sequence_ints(q, 2, (int64_t[]){left, right}), sequence_text(q, mode), none);
}

static bool is_complex(IValue v) { return v.tag == TAG_TENSOR && dtype_is_complex(tensor_dtype(v.as.tensor)); }

// ---- forth

static Status check_stft(const Tensor *t, const Stft *a)
{
    DType d = tensor_dtype(t);
    if (!dtype_is_floating(d) && !dtype_is_complex(d))
        return raise_stft("NotImplementedError", t, a, "a tensor of floating point or complex values");
    if (t->view.ndim < 1 || t->view.ndim > 2)
        return raise_stft("RuntimeError", t, a, "a 1D or 2D tensor");
    int64_t length = t->view.size[t->view.ndim - 1];
    if (a->n_fft <= 0 || a->n_fft > length)
        return raise_stft("RuntimeError", t, a, "0 < n_fft < %lld, but got n_fft=%lld", (long long)length, (long long)a->n_fft);
    if (a->hop <= 0)
        return raise_stft("RuntimeError", t, a, "hop_length > 0, but got hop_length=%lld", (long long)a->hop);
    if (a->win <= 0 || a->win > a->n_fft)
        return raise_stft("RuntimeError", t, a, "0 < win_length <= n_fft, but got win_length=%lld", (long long)a->win);
    if (a->window.tag == TAG_TENSOR && (a->window.as.tensor->view.ndim != 1 || a->window.as.tensor->view.size[0] != a->win))
        return raise_stft("RuntimeError", t, a, "a 1D window tensor of size equal to win_length=%lld, but got window with size %s", (long long)a->win,
                          size_text(a->window.as.tensor->view.size, a->window.as.tensor->view.ndim).text);
    return ST_OK;
}

// The transform of every frame of x [batch, length]: [batch, frequencies, frames], a view.
static Status frames(Sequence *q, Site *inner, IValue x, const Stft *a, bool real, Tensor **out)
{
    const View *v = &x.as.tensor->view;
    int64_t count = 1 + (v->size[1] - a->n_fft) / a->hop;
    int64_t size[3] = {v->size[0], count, a->n_fft}, stride[3] = {v->stride[0], a->hop * v->stride[1], v->stride[1]};
    Tensor *view, *spectrum;
    TRY(tensor_view(q->lane, x.as.tensor, 3, size, stride, x.as.tensor->offset, &view));
    IValue framed = sequence_keep(q, ST_OK, value_tensor_take(view));
    IValue window = a->window;
    int64_t left = (a->n_fft - a->win) / 2;
    if (window.tag == TAG_TENSOR && a->win < a->n_fft)
        window = padded(q, window, left, a->n_fft - a->win - left, "constant");
    else if (a->win < a->n_fft) {
        IValue ones = STEP(q, "aten::ones", sequence_ints(q, 1, &a->win), value_int(tensor_dtype(x.as.tensor)), none, none, none);
        window = padded(q, ones, left, a->n_fft - a->win - left, "constant");
    }
    if (window.tag == TAG_TENSOR)
        framed = STEP(q, "aten::mul.Tensor", framed, window);
    TRY(q->status);
    FftCall c = {.dims = 1, .dim = {2}, .forward = true, .norm = a->normalized ? FFT_BY_ROOT_N : FFT_NO_NORM};
    bool onesided = arg_bool_or(a->onesided, real);
    c.kind = is_complex(framed) ? FFT_C2C : onesided ? FFT_R2C : FFT_R2C_FULL;
    TRY(fft_run(q->lane, inner, framed.as.tensor, &c, &spectrum));
    const View *s = &spectrum->view;
    int64_t turned[3] = {s->size[0], s->size[2], s->size[1]}, steps[3] = {s->stride[0], s->stride[2], s->stride[1]};
    Status status = tensor_view(q->lane, spectrum, 3, turned, steps, spectrum->offset, out);
    tensor_release(spectrum);
    return status;
}

static Status stft(Lane *lane, Site *site, IValue self, Stft *a, const char *pad_mode, IValue *rets)
{
    Tensor *t = self.as.tensor, *out = NULL;
    bool real = !is_complex(self) && !is_complex(a->window);
    if (a->center && !arg_is_none(a->align))
        return op_raise("stft align_to_window should only be set when center = false");
    if (!real && arg_bool_or(a->onesided, false))
        return op_raise("Cannot have onesided output if window or input is complex");
    // Not given: pairs of real numbers for a real signal. PyTorch 2 refuses that, but files of 1.4 to 1.13 rely on it.
    bool give_complex = arg_bool_or(a->return_complex, !real);
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue x = self;
    bool one = t->view.ndim == 1;
    if (a->center && t->view.ndim >= 1) { // PyTorch pads first and complains about the padded tensor
        int64_t size[3] = {1, 1, 1};
        for (int d = 0; d < t->view.ndim && d < 3; d++)
            size[3 - t->view.ndim + d > 0 ? 3 - t->view.ndim + d : 0] = t->view.size[d];
        if (t->view.ndim <= 3) {
            x = STEP(&q, "aten::reshape", x, sequence_ints(&q, 3, size));
            x = padded(&q, x, a->n_fft / 2, a->n_fft / 2, pad_mode);
            if (q.status == ST_OK) {
                int64_t back[3] = {size[0], size[1], x.as.tensor->view.size[2]};
                x = STEP(&q, "aten::reshape", x, sequence_ints(&q, t->view.ndim, back + (3 - t->view.ndim)));
            }
        }
    } else if (!a->center && arg_bool_or(a->align, false) && a->win > 0 && a->win <= a->n_fft) {
        int64_t left = (a->n_fft - a->win) / 2; // the first window starts with the signal
        x = padded(&q, x, left, a->n_fft - a->win - left, "constant");
    }
    if (q.status == ST_OK)
        q.status = check_stft(x.as.tensor, a);
    if (one)
        x = STEP(&q, "aten::unsqueeze", x, value_int(0));
    Site inner = {.op = site->op, .node = site->node, .cache = site->cache};
    if (q.status == ST_OK) {
        q.status = frames(&q, &inner, x, a, real, &out);
        site->cache = inner.cache;
    }
    IValue result = none;
    if (q.status == ST_OK)
        result = sequence_keep(&q, ST_OK, value_tensor_take(out));
    if (one)
        result = STEP(&q, "aten::squeeze.dim", result, value_int(0));
    if (!give_complex)
        result = STEP(&q, "aten::view_as_real", result);
    return sequence_give(&q, result, rets);
}

static void read_lengths(Stft *a, const IValue *args)
{
    a->n_fft = args[1].as.i;
    a->hop = arg_int_or(args[2], a->n_fft < 0 ? -(-a->n_fft + 3) / 4 : a->n_fft / 4);
    a->win = arg_int_or(args[3], a->n_fft);
    a->window = args[4];
}

OP_FN(op_stft_center) // self, n_fft, hop, win, window, center, pad_mode, normalized, onesided, return_complex, align_to_window
{
    Stft a = {.center = args[5].as.b, .normalized = args[7].as.b, .onesided = args[8], .return_complex = args[9], .align = site->arg_count > 10 ? args[10] : none};
    char mode[32];
    Str text = str_of_value(args[6]);
    snprintf(mode, sizeof mode, STR_FMT, STR_ARG(text));
    read_lengths(&a, args);
    return stft(lane, site, args[0], &a, mode, rets);
}

OP_FN(op_stft) // self, n_fft, hop, win, window, normalized, onesided, return_complex, align_to_window
{
    Stft a = {.normalized = args[5].as.b, .onesided = args[6], .return_complex = args[7], .align = site->arg_count > 8 ? args[8] : none};
    read_lengths(&a, args);
    return stft(lane, site, args[0], &a, "reflect", rets);
}

// ---- and back

static Status check_istft(const Tensor *t, const Stft *a)
{
    const View *v = &t->view;
    if (!dtype_is_complex(tensor_dtype(t)))
        return op_raise_class("TypeError", "istft requires a complex-valued input tensor matching the output from stft with return_complex=True.");
    if (v->ndim < 2)
        return op_raise_class("IndexError", "Dimension out of range (expected to be in range of [-%d, %d], but got -3)", v->ndim + 1, v->ndim);
    int64_t points = v->size[v->ndim - 2];
    if (view_numel(v) == 0)
        return raise_istft(t, a, ": input tensor cannot be empty.");
    if (v->ndim != 2 && v->ndim != 3)
        return raise_istft(t, a, ": expected a tensor with 3 or 4 dimensions, but got %d", v->ndim + 1);
    if (arg_bool_or(a->onesided, points != a->n_fft)) {
        if (a->n_fft / 2 + 1 != points)
            return raise_istft(t, a, ": expected the frequency dimension (3rd to the last) of the input tensor to match n_fft / 2 + 1 when onesided=True, but got %lld",
                               (long long)points);
    } else if (a->n_fft != points) {
        return raise_istft(t, a, ": expected the frequency dimension (3rd to the last) of the input tensor to match n_fft when onesided=False, but got %lld",
                           (long long)points);
    }
    if (a->hop <= 0 || a->hop > a->win)
        return raise_istft(t, a, ": expected 0 < hop_length <= win_length");
    if (a->win <= 0 || a->win > a->n_fft)
        return raise_istft(t, a, ": expected 0 < win_length <= n_fft");
    if (a->window.tag == TAG_TENSOR && (a->window.as.tensor->view.ndim != 1 || a->window.as.tensor->view.size[0] != a->win))
        return raise_istft(t, a, ": Invalid window shape. window has to be 1D and length of `win_length`");
    if (arg_bool_or(a->return_complex, false) && arg_bool_or(a->onesided, points != a->n_fft))
        return op_raise("Cannot have onesided output if window or input is complex");
    if (!arg_bool_or(a->return_complex, false) && is_complex(a->window))
        return op_raise("Complex windows are incompatible with return_complex=False");
    return ST_OK;
}

// out [batch, length] = sums of frames [batch, count, n], hop apart. Contiguous, of one type; elements are `parts` numbers.
#define OVERLAP(T)                                                                                                     \
    for (int64_t b = 0; b < batch; b++)                                                                                \
        for (int64_t f = 0; f < count; f++) {                                                                          \
            const T *from = (const T *)frames->view.data + (b * count + f) * n * parts;                                \
            T *to = (T *)out->view.data + (b * length + f * hop) * parts;                                              \
            for (int64_t i = 0; i < n * parts; i++)                                                                    \
                to[i] += from[i];                                                                                      \
        }

static Status overlap_add(Lane *lane, Tensor *frames, int64_t hop, Tensor **result)
{
    int64_t batch = frames->view.size[0], count = frames->view.size[1], n = frames->view.size[2], length = 0;
    DType t = tensor_dtype(frames);
    int parts = dtype_is_complex(t) ? 2 : 1;
    if (__builtin_mul_overflow(hop, count - 1, &length) || __builtin_add_overflow(length, n, &length))
        return op_raise("istft: the result is too large");
    TRY(tensor_new(lane, t, 2, (int64_t[]){batch, length}, result));
    Tensor *out = *result;
    Status s = tensor_fill(out, value_int(0));
    if (s != ST_OK) {
        tensor_release(out);
        return s;
    }
    if (t == DT_F32 || t == DT_C64)
        OVERLAP(float)
    else
        OVERLAP(double)
    return ST_OK;
}

static IValue overlapped(Sequence *q, IValue frames, int64_t hop)
{
    Tensor *out;
    if (q->status != ST_OK)
        return none;
    IValue whole = STEP(q, "aten::contiguous", frames, value_int(FORMAT_CONTIGUOUS));
    if (q->status == ST_OK)
        q->status = overlap_add(q->lane, whole.as.tensor, hop, &out);
    return q->status == ST_OK ? sequence_keep(q, ST_OK, value_tensor_take(out)) : none;
}

// The frames that a spectrum [batch, frequencies, frames] is of: [batch, frames, n_fft].
static IValue frames_of(Sequence *q, Site *inner, IValue spectrum, const Stft *a)
{
    Tensor *out;
    IValue turned = STEP(q, "aten::transpose.int", spectrum, value_int(1), value_int(2));
    if (q->status != ST_OK)
        return none;
    FftCall c = {.dims = 1, .dim = {2}, .norm = a->normalized ? FFT_BY_ROOT_N : FFT_BY_N, .last_size = a->n_fft};
    c.kind = arg_bool_or(a->return_complex, false) ? FFT_C2C : FFT_C2R;
    q->status = fft_run(q->lane, inner, turned.as.tensor, &c, &out);
    return q->status == ST_OK ? sequence_keep(q, ST_OK, value_tensor_take(out)) : none;
}

static Status istft(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *t = args[0].as.tensor;
    Stft a = {.center = args[5].as.b, .normalized = args[6].as.b, .onesided = args[7], .length = args[8], .return_complex = args[9]};
    read_lengths(&a, args);
    TRY(check_istft(t, &a));
    DType type = tensor_dtype(t), real = type == DT_C64 ? DT_F32 : DT_F64;
    if (type != DT_C64 && type != DT_C128)
        return op_raise("istft: Unsupported dtype %s", dtype_torch_name(type));
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    bool one = t->view.ndim == 2;
    int64_t count = t->view.size[t->view.ndim - 1], left = (a.n_fft - a.win) / 2;
    IValue window = a.window;
    if (window.tag != TAG_TENSOR)
        window = STEP(&q, "aten::ones", sequence_ints(&q, 1, &a.win), value_int(real), none, none, none);
    if (a.win != a.n_fft)
        window = padded(&q, window, left, a.n_fft - a.win - left, "constant");
    Site inner = {.op = site->op, .node = site->node, .cache = site->cache};
    IValue framed = frames_of(&q, &inner, one ? STEP(&q, "aten::unsqueeze", args[0], value_int(0)) : args[0], &a);
    site->cache = inner.cache;
    IValue y = overlapped(&q, STEP(&q, "aten::mul.Tensor", framed, window), a.hop);
    int64_t grid[3] = {1, count, a.n_fft};
    IValue envelope = overlapped(&q, STEP(&q, "aten::expand", STEP(&q, "aten::pow.Tensor_Scalar", window, value_int(2)), sequence_ints(&q, 3, grid), value_bool(false)), a.hop);
    if (q.status != ST_OK)
        return sequence_end(&q);
    int64_t expected = y.as.tensor->view.size[1], start = a.center ? a.n_fft / 2 : 0;
    int64_t end = !arg_is_none(a.length) ? start + a.length.as.i : a.center ? expected - a.n_fft / 2 : expected;
    y = STEP(&q, "aten::slice.Tensor", y, value_int(1), value_int(start), value_int(end), value_int(1));
    envelope = STEP(&q, "aten::slice.Tensor", envelope, value_int(1), value_int(start), value_int(end), value_int(1));
    IValue low = STEP(&q, "aten::lt.Scalar", STEP(&q, "aten::min", STEP(&q, "aten::abs", envelope)), value_float(1e-11));
    bool gaps = false;
    if (q.status == ST_OK)
        q.status = tensor_truth(lane, low.as.tensor, &gaps);
    if (q.status == ST_OK && gaps)
        q.status = raise_istft(t, &a, "window overlap add min: 1");
    y = STEP(&q, "aten::div.Tensor", y, envelope);
    if (one)
        y = STEP(&q, "aten::squeeze.dim", y, value_int(0));
    if (q.status == ST_OK && end > expected) // zeros where there was no signal
        y = padded(&q, y, 0, end - expected, "constant");
    return sequence_give(&q, y, rets);
}

// self, n_fft, hop, win, window, center, normalized, onesided, length, return_complex. Pairs of real numbers are what stft
// gave before PyTorch 2.
OP_FN(op_istft)
{
    const View *v = &args[0].as.tensor->view;
    if (!dtype_is_floating((DType)v->dtype) || v->ndim < 3 || v->ndim > 4 || v->size[v->ndim - 1] != 2)
        return istft(lane, site, args, rets);
    IValue with[10], whole;
    memcpy(with, args, sizeof with);
    Site once = {.node = site->node, .arg_count = 1, .ret_count = 1};
    Tensor *pairs;
    TRY(tensor_contiguous(lane, args[0].as.tensor, &pairs));
    whole = value_tensor_take(pairs);
    once.op = op_find(STR("aten::view_as_complex"));
    Status status = once.op->fn(lane, &once, &whole, &with[0]);
    value_release(whole);
    site_clear(&once);
    TRY(status);
    status = istft(lane, site, with, rets);
    value_release(with[0]);
    return status;
}

#define SEQUENCE(name, fn) {name, fn, 0, NULL, sequence_free}

const OpBinding OPS_STFT[] = {
    SEQUENCE("aten::stft", op_stft),
    SEQUENCE("aten::stft.center", op_stft_center),
    SEQUENCE("aten::istft", op_istft),
    {0},
};
