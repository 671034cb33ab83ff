// Objects whose class restores itself with __setstate__ (torchscript.md §2.6): the method is run once, before the model is
// optimised, and what it leaves in the object replaces the stored state. Reading an archive alone runs nothing.
#include "worker/interp.h"
#include "worker/model_parts.h"

#include <stdlib.h>

static const Function *setstate_of(const Datum *d)
{
    const Function *f = d->cls ? class_method(d->cls, STR("__setstate__")) : NULL;
    return f && f->graph && f->schema->arg_count == 2 ? f : NULL;
}

// The slots of an object as a dictionary of archive data.
static Status store_slots(Model *m, const Object *o, Datum *d)
{
    Datum *state = ARENA_NEW(&m->arena, Datum);
    if (!state)
        return ST_MEMORY;
    state->kind = DATUM_DICT;
    d->state = state;
    for (uint32_t i = 0; i < o->len; i++) {
        const ClassAttr *attr = &o->cls->attrs[i];
        Datum *value;
        if (o->slots[i].tag == TAG_UNINITIALIZED) {
            if (attr->type->kind != TYPE_OPTIONAL && attr->type->kind != TYPE_NONE)
                return status_fail(ST_BAD_MODEL, "The field '" STR_FMT "' was left uninitialized after '__setstate__' of " STR_FMT, STR_ARG(attr->name), STR_ARG(o->cls->name));
            value = &datum_none;
        } else if (value_to_datum(&m->arena, o->slots[i], &value) != ST_OK) {
            return status_fail(ST_UNSUPPORTED, "__setstate__ of " STR_FMT " sets " STR_FMT " to more than plain data", STR_ARG(o->cls->name), STR_ARG(attr->name));
        }
        datum_set_attr(d, &m->arena, attr->name, value);
    }
    return ST_OK;
}

static Status run_setstate(Model *m, Lane *lane, const Function *f, Datum *d)
{
    CodeSet set = {.arena = &m->arena, .constants = m->constants->items, .constant_count = m->constants->count};
    Code *code;
    Machine *machine = NULL;
    ValueMemo *memo = NULL;
    TRY(code_set_add(&set, f->graph, f, &code));
    TRY(code_set_lower(&set));
    Object *object = object_new(d->cls);
    if (!object)
        return ST_MEMORY;
    IValue args[2] = {value_object_take(object), value_none()}, result = value_none();
    Status status = value_from_datum(lane, &memo, d->state, f->schema->args[1].type, &args[1]);
    if (status == ST_OK)
        status = machine_new(&set, lane, &memo, &machine);
    if (status == ST_OK)
        status = machine_run(machine, code, args, &result);
    value_memo_free(memo);
    if (status == ST_OK)
        status = store_slots(m, object, d);
    value_release(result);
    value_release(args[0]);
    value_release(args[1]);
    machine_free(machine);
    return status;
}

// Inner objects first: the outer ones may look at them.
static Status restore(Model *m, Lane *lane, Datum *d, int depth)
{
    if (depth > 500)
        return status_fail(ST_BAD_MODEL, "objects nest too deeply (limit %d)", 500);
    if (d->kind == DATUM_OBJECT) {
        if (!d->state)
            return ST_OK;
        TRY(restore(m, lane, d->state, depth + 1));
        const Function *f = setstate_of(d);
        if (f && d->state->kind != DATUM_DICT)
            TRY(run_setstate(m, lane, f, d));
    } else if (d->kind == DATUM_LIST || d->kind == DATUM_TUPLE || d->kind == DATUM_DICT) {
        uint32_t count = d->kind == DATUM_DICT ? 2 * d->count : d->count;
        for (uint32_t i = 0; i < count; i++)
            if (d->items[i]->kind >= DATUM_TUPLE)
                TRY(restore(m, lane, d->items[i], depth + 1));
    }
    return ST_OK;
}

Status restore_objects(Model *m)
{
    Lane *lane;
    TRY(lane_new(m->options.kernels, program_types(m->program), &lane));
    Status status = restore(m, lane, m->root, 0);
    lane_free(lane);
    return status;
}
