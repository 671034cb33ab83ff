// Which input positions an output position of a resized tensor reads, and with which weights: nearest, linear and cubic, with
// or without antialiasing (the formulas of ATen/native/UpSample.h).
#include "kernels/resize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// Rounds to float unless coordinates are wanted in double.
static double rounded(double v, bool wide) { return wide ? v : (double)(float)v; }

static double step_of(const ResizeParams *p, int dim, int64_t in, int64_t out, bool wide)
{
    if (p->mode >= RESIZE_LINEAR && p->align_corners)
        return out > 1 ? rounded((double)(in - 1) / (double)(out - 1), wide) : 0;
    return rounded(p->scale[dim] > 0 ? 1.0 / p->scale[dim] : (double)in / (double)out, wide);
}

static double cubic_near(double x, double a) { return ((a + 2) * x - (a + 3)) * x * x + 1; }
static double cubic_far(double x, double a) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; }

static void tap(Taps *t, int64_t o, int64_t from, double weight)
{
    int64_t at = o * t->width + t->count[o]++;
    t->from[at] = (int32_t)from;
    t->weight[at] = weight;
}

static int64_t clamp(int64_t v, int64_t most) { return v < 0 ? 0 : v > most ? most : v; }

static void plain_taps(const ResizeParams *p, double step, int64_t in, bool wide, Taps *t)
{
    for (int64_t o = 0; o < t->out; o++) {
        double x;
        switch (p->mode) {
        case RESIZE_NEAREST: tap(t, o, clamp((int64_t)floor(rounded((double)o * step, wide)), in - 1), 1); break;
        case RESIZE_NEAREST_EXACT: tap(t, o, clamp((int64_t)floor(rounded(((double)o + 0.5) * step, wide)), in - 1), 1); break;
        case RESIZE_LINEAR: {
            x = p->align_corners ? rounded((double)o * step, wide) : rounded(rounded(step * ((double)o + 0.5), wide) - 0.5, wide);
            x = x < 0 ? 0 : x;
            int64_t i = clamp((int64_t)x, in - 1);
            double w = rounded(x - (double)i, wide);
            w = w > 1 ? 1 : w;
            tap(t, o, i, rounded(1 - w, wide));
            tap(t, o, i + (i < in - 1), w);
            break;
        }
        default: {
            x = p->align_corners ? rounded((double)o * step, wide) : rounded(rounded(step * ((double)o + 0.5), wide) - 0.5, wide);
            double i = floor(x), f = rounded(x - i, wide), w[4] = {cubic_far(f + 1, -0.75), cubic_near(f, -0.75), cubic_near(1 - f, -0.75), cubic_far(2 - f, -0.75)};
            for (int k = 0; k < 4; k++)
                tap(t, o, clamp((int64_t)i - 1 + k, in - 1), rounded(w[k], wide));
        }
        }
    }
}

static double sinc(double x) { return x == 0 ? 1 : sin(M_PI * x) / (M_PI * x); }

static double filter(int mode, double x)
{
    x = fabs(x);
    if (mode == RESIZE_LINEAR)
        return x < 1 ? 1 - x : 0;
    if (mode == RESIZE_LANCZOS)
        return x < 3 ? sinc(x) * sinc(x / 3) : 0;
    return x < 1 ? cubic_near(x, -0.5) : x < 2 ? cubic_far(x, -0.5) : 0;
}

// Input positions that a filter covers when nothing is scaled down.
static int support_of(int mode) { return mode == RESIZE_LINEAR ? 2 : mode == RESIZE_CUBIC ? 4 : mode == RESIZE_LANCZOS ? 6 : 1; }

static void antialias_taps(const ResizeParams *p, double step, int64_t in, bool wide, Taps *t)
{
    double half = support_of(p->mode) * 0.5, support = step >= 1 ? half * step : half, inverse = step >= 1 ? 1 / step : 1;
    for (int64_t o = 0; o < t->out; o++) {
        double center = step * ((double)o + 0.5), total = 0;
        int64_t from = (int64_t)(center - support + 0.5), to = (int64_t)(center + support + 0.5);
        from = from < 0 ? 0 : from;
        to = to > in ? in : to;
        for (int64_t i = from; i < to; i++)
            total += filter(p->mode, ((double)i - center + 0.5) * inverse);
        for (int64_t i = from; i < to; i++)
            tap(t, o, i, rounded(filter(p->mode, ((double)i - center + 0.5) * inverse) / (total != 0 ? total : 1), wide));
    }
}

Status taps_new(const ResizeParams *p, int dim, int64_t in, DType dtype, Taps *t)
{
    bool wide = dtype == DT_F64;
    double step = step_of(p, dim, in, p->size[dim], wide);
    int64_t most = support_of(p->mode);
    if (p->antialias)
        most = 2 * (int64_t)ceil((double)most * 0.5 * (step > 1 ? step : 1)) + 2;
    *t = (Taps){.out = p->size[dim], .width = most};
    size_t n = (size_t)t->out, all = n * (size_t)most;
    t->count = calloc(n ? n : 1, sizeof *t->count);
    t->from = malloc((all ? all : 1) * sizeof *t->from);
    t->weight = malloc((all ? all : 1) * sizeof *t->weight);
    if (!t->count || !t->from || !t->weight) {
        taps_free(t);
        return status_no_memory(all * sizeof *t->weight);
    }
    if (p->antialias)
        antialias_taps(p, step, in, wide, t);
    else
        plain_taps(p, step, in, wide, t);
    return ST_OK;
}

void taps_free(Taps *t)
{
    free(t->count);
    free(t->from);
    free(t->weight);
    *t = (Taps){0};
}

Status resize_shape(const ResizeParams *p, const View *in, int64_t size[VIEW_MAX_DIMS])
{
    static const char axis[SPATIAL_MAX][SPATIAL_MAX] = {{'W'}, {'H', 'W'}, {'D', 'H', 'W'}};
    int spatial = in->ndim - 2;
    bool bad = false;
    size[0] = in->size[0];
    size[1] = in->size[1];
    for (int i = 0; i < spatial; i++) {
        size[i + 2] = p->size[i];
        bad = bad || p->size[i] <= 0 || in->size[i + 2] <= 0;
    }
    if (!bad)
        return ST_OK;
    char text[2][120] = {"", ""};
    for (int k = 0; k < 2; k++)
        for (int i = 0, at = 0; i < spatial; i++)
            at += snprintf(text[k] + at, sizeof text[k] - (size_t)at, "%s%c: %lld", i ? ", " : "", axis[spatial - 1][i],
                           (long long)(k ? p->size[i] : in->size[i + 2]));
    return status_fail(ST_RAISED, "Input and output sizes should be greater than 0, but got input (%s) output (%s)", text[0], text[1]);
}
