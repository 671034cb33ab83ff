// Lanes: making, freeing, scratch memory, and undoing what a call wrote to shared storages.
#include "worker/lane.h"

#include "worker/allocator.h"
#include "worker/tensor.h"

#include <stdlib.h>

Status lane_new(const KernelContext *kernels, TypeTable *types, Lane **out)
{
    Lane *l = calloc(1, sizeof *l);
    if (!l)
        return status_no_memory(sizeof *l);
    Status status = allocator_new(&l->allocator);
    if (status != ST_OK) {
        free(l);
        return status;
    }
    if (kernels)
        l->kernels = *kernels;
    l->types = types;
    l->print_to = stdout;
    *out = l;
    return ST_OK;
}

void lane_free(Lane *l)
{
    if (!l)
        return;
    lane_reset_state(l);
    if (l->generator)
        value_release((IValue){.tag = TAG_GENERATOR, .as.obj = (Counted *)l->generator});
    free(l->scratch);
    allocator_free(l->allocator);
    free(l);
}

void *lane_scratch(Lane *l, size_t bytes)
{
    if (bytes <= l->scratch_size)
        return l->scratch;
    size_t size = (bytes + bytes / 4 + 4095) & ~(size_t)4095;
    free(l->scratch);
    l->scratch = aligned_alloc(64, size);
    l->scratch_size = l->scratch ? size : 0;
    if (!l->scratch)
        status_no_memory(size);
    return l->scratch;
}

static void move_tensors(Storage *s)
{
    for (Tensor *t = s->tensors; t; t = t->next_of_storage)
        t->view.data = s->data ? (char *)s->data + t->offset * (int64_t)dtype_size((DType)t->view.dtype) : NULL;
}

void lane_reset_state(Lane *l)
{
    while (l->dirty) {
        Storage *s = l->dirty;
        l->dirty = s->next_dirty;
        allocator_give(l->allocator, s->data, s->capacity);
        s->data = s->origin;
        s->capacity = s->origin_capacity;
        s->origin = NULL;
        s->shared = true;
        s->dirty = false;
        move_tensors(s);
        storage_release(s);
    }
}

void lane_keep_state(Lane *l)
{
    while (l->dirty) {
        Storage *s = l->dirty;
        l->dirty = s->next_dirty;
        if (s->origin_capacity)
            allocator_give(l->allocator, s->origin, s->origin_capacity);
        s->dirty = false;
        s->origin = NULL;
        storage_release(s);
    }
}

Status storage_make_writable(Storage *s)
{
    if (!s->shared)
        return ST_OK;
    size_t capacity;
    void *copy = allocator_take(s->lane->allocator, s->size, &capacity);
    if (!copy)
        return ST_MEMORY;
    if (s->size)
        memcpy(copy, s->data, s->size);
    s->origin = s->data;
    s->origin_capacity = s->capacity;
    s->data = copy;
    s->capacity = capacity;
    s->shared = false;
    s->dirty = true;
    s->refs++;
    s->next_dirty = s->lane->dirty;
    s->lane->dirty = s;
    move_tensors(s);
    return ST_OK;
}
