// Primitives with their arguments, reorders, and constant operands brought into the form a primitive wants.
// See dnnl_prim.h; nothing here depends on the version of the library.
#include "kernels/cpu/dnnl_prim.h"

#include <stdlib.h>
#include <string.h>

Status prim_new(Prim *p, Pd pd)
{
    *p = (Prim){.scratch_at = -1};
    TRY(dnnl_check(dnnl_primitive_create(&p->primitive, pd), "primitive"));
    Status s = dnnl_check(dnnl_stream_create(&p->stream, dnnl_cpu_engine(), dnnl_stream_default_flags), "stream");
    MdRef scratch = s == ST_OK ? pd_md(pd, dnnl_query_scratchpad_md) : NULL;
    if (scratch && (p->scratch_bytes = md_size(scratch)) > 0)
        s = prim_arg(p, DNNL_ARG_SCRATCHPAD, scratch, &p->scratch_at);
    if (s != ST_OK)
        prim_free(p);
    return s;
}

void prim_free(Prim *p)
{
    for (int i = 0; i < p->count; i++)
        dnnl_memory_destroy(p->memory[i]);
    if (p->primitive)
        dnnl_primitive_destroy(p->primitive);
    if (p->stream)
        dnnl_stream_destroy(p->stream);
    *p = (Prim){.scratch_at = -1};
}

Status prim_arg(Prim *p, int id, MdRef md, int *at)
{
    if (p->count == PRIM_MAX_ARGS)
        return status_fail(ST_INTERNAL, "oneDNN primitive: too many arguments");
    TRY(dnnl_check(dnnl_memory_create(&p->memory[p->count], md, dnnl_cpu_engine(), DNNL_MEMORY_NONE), "memory"));
    p->args[p->count] = (dnnl_exec_arg_t){.arg = id, .memory = p->memory[p->count]};
    *at = p->count++;
    return ST_OK;
}

Status prim_run(const Prim *p, void *scratch)
{
    if (p->scratch_at >= 0)
        prim_set(p, p->scratch_at, scratch);
    dnnl_status_t s = dnnl_primitive_execute(p->primitive, p->stream, p->count, p->args);
    return s == dnnl_success ? ST_OK : status_fail(ST_INTERNAL, "oneDNN: running a primitive failed (error %d)", (int)s);
}

Status reorder_new(Reorder *r, MdRef src, MdRef dst)
{
    *r = (Reorder){.bytes = md_size(dst)};
    if (md_equal(src, dst))
        return ST_OK;
    Attr a = NULL;
    Pd pd = NULL;
    Status s = attr_new(&a);
    if (s == ST_OK)
        s = pd_reorder(&pd, src, dst, a);
    if (s == ST_OK)
        s = prim_new(&r->prim, pd);
    if (s == ST_OK)
        s = prim_arg(&r->prim, DNNL_ARG_FROM, src, &r->src);
    if (s == ST_OK)
        s = prim_arg(&r->prim, DNNL_ARG_TO, dst, &r->dst);
    pd_free(pd);
    attr_free(a);
    r->needed = s == ST_OK;
    if (s != ST_OK)
        prim_free(&r->prim);
    return s;
}

void reorder_free(Reorder *r)
{
    if (r->needed)
        prim_free(&r->prim);
    r->needed = false;
}

Status reorder_run(const Reorder *r, const void *src, void *dst, void *scratch)
{
    prim_set(&r->prim, r->src, src);
    prim_set(&r->prim, r->dst, dst);
    return prim_run(&r->prim, scratch);
}

typedef struct PackFill {
    Reorder *reorder;
    const void *source;
} PackFill;

static Status pack_fill(void *ctx, void *bytes)
{
    PackFill *f = ctx;
    size_t size = f->reorder->prim.scratch_bytes;
    void *scratch = size ? aligned_alloc(64, scratch_align(size)) : NULL;
    if (size && !scratch)
        return status_no_memory(size);
    Status s = reorder_run(f->reorder, f->source, bytes, scratch);
    free(scratch);
    return s;
}

Status pack_operand(PackStore *store, const char *what, const View *v, MdRef source, MdRef wanted, const void **out)
{
    if (md_equal(source, wanted)) {
        *out = v->data;
        return ST_OK;
    }
    PackKey key = {0};
    pack_key_text(&key, what);
    pack_key_operand(&key, v);
    md_key(&key, wanted);
    if (key.failed)
        return ST_DECLINED;
    Reorder r;
    TRY(reorder_new(&r, source, wanted));
    PackFill f = {&r, v->data};
    Status s = pack_get(store, key.bytes, key.size, md_size(wanted), pack_fill, &f, out);
    reorder_free(&r);
    return s;
}
