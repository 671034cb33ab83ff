// Runs the steps of operators that are made of other operators. A step's cache is found by its position in the sequence,
// so a sequence that branches only loses its caches where the branches differ.
#include "worker/sequence.h"

#include "worker/bits.h"

#include <stdlib.h>

struct SequenceSites { Site sites[SEQUENCE_STEPS]; };

void sequence_free(void *sites)
{
    SequenceSites *s = sites;
    for (int i = 0; i < SEQUENCE_STEPS; i++)
        site_clear(&s->sites[i]);
    free(s);
}

Status sequence_begin(Sequence *q, Lane *lane, Site *site)
{
    if (!site->user && !(site->user = calloc(1, sizeof(SequenceSites))))
        return status_no_memory(sizeof(SequenceSites));
    *q = (Sequence){.lane = lane, .sites = site->user, .node = site->node};
    return ST_OK;
}

Status sequence_end(Sequence *q)
{
    for (int i = 0; i < q->count; i++)
        value_release(q->results[i]);
    return q->status;
}

Status sequence_give_all(Sequence *q, int n, const IValue *results, IValue *rets)
{
    for (int i = 0; i < n && q->status == ST_OK; i++)
        rets[i] = value_retain(results[i]);
    return sequence_end(q);
}

Status sequence_give(Sequence *q, IValue result, IValue *rets) { return sequence_give_all(q, 1, &result, rets); }

IValue sequence_keep(Sequence *q, Status made, IValue value)
{
    if (made != ST_OK) {
        q->status = made;
        return value_none();
    }
    if (q->count == SEQUENCE_VALUES) {
        value_release(value);
        q->status = status_fail(ST_INTERNAL, "a sequence of operators has too many values (limit %d)", SEQUENCE_VALUES);
        return value_none();
    }
    return q->results[q->count++] = value;
}

static Status prepare_args(Sequence *q, const OpBinding *op, int n, const IValue *args)
{
    for (int i = 0; i < n && !(op->flags & OP_PRIVATE_LAYOUT); i++)
        if (args[i].tag == TAG_TENSOR)
            TRY(tensor_make_plain(q->lane, args[i].as.tensor));
    return (op->flags & OP_WRITES_ARG0) && args[0].tag == TAG_TENSOR ? tensor_make_writable(args[0].as.tensor) : ST_OK;
}

IValue sequence_step(Sequence *q, const char *name, int n, const IValue *args, int n_rets, IValue *rets)
{
    IValue own[8] = {value_none()};
    for (int i = 0; rets && i < n_rets; i++)
        rets[i] = value_none();
    if (q->status != ST_OK)
        return value_none();
    const OpBinding *op = op_find(str_of(name));
    if (!op || q->next == SEQUENCE_STEPS || n_rets > 8) {
        q->status = status_fail(ST_UNSUPPORTED, "operator %s is not implemented", name);
        return value_none();
    }
    Site *s = &q->sites->sites[q->next++];
    if (s->op != op) {
        site_clear(s);
        *s = (Site){.op = op, .node = q->node, .arg_count = (uint8_t)n, .ret_count = (uint8_t)n_rets};
    }
    OpFn fn = op->fn;
    q->status = prepare_args(q, op, n, args);
    if (q->status == ST_OK)
        q->status = bits_choose(s, args, (uint32_t)n, &fn);
    if (q->status == ST_OK)
        q->status = fn(q->lane, s, args, own);
    if (q->status != ST_OK)
        return value_none();
    for (int i = 0; i < n_rets; i++) {
        own[i] = sequence_keep(q, ST_OK, own[i]);
        if (rets)
            rets[i] = own[i];
    }
    return own[0];
}

IValue sequence_rewind(Sequence *q, SequenceMark mark, IValue result)
{
    if (q->status != ST_OK)
        return value_none();
    value_retain(result);
    while (q->count > mark.count)
        value_release(q->results[--q->count]);
    q->next = mark.next;
    return sequence_keep(q, ST_OK, result);
}

IValue sequence_ints(Sequence *q, int n, const int64_t *v)
{
    IValue list = value_none();
    if (q->status != ST_OK)
        return list;
    Status made = list_of_ints(v, n, &list);
    return sequence_keep(q, made, list);
}

IValue sequence_text(Sequence *q, const char *text)
{
    IValue s = value_none();
    if (q->status != ST_OK)
        return s;
    Status made = value_str(str_of(text), &s);
    return sequence_keep(q, made, s);
}
