/* SPDX-License-Identifier: MIT */
/* A tree and a list of names. */
#include "server/publish/names.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

int names_compare(const void *a, const void *b)
{
    const struct resp_arg *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return x->size == 0 ? 0 : memcmp(x->data, y->data, x->size);
}

/* Finds a name even if it has no subscribers and is only pinned. */
static struct name *find_any(const struct names *names, const struct resp_arg *text)
{
    struct name *const *node = tfind(text, &names->tree, names_compare);
    return node ? *node : NULL;
}

struct name *names_find(const struct names *names, const struct resp_arg *text)
{
    struct name *name = find_any(names, text);
    return name && name->count > 0 ? name : NULL;
}

static void name_free(void *name)
{
    free(((struct name *)name)->subscribers);
    free(name);
}

void names_free(struct names *names)
{
    tdestroy(names->tree, name_free);
    *names = (struct names){0};
}

static struct name *add(struct names *names, const struct resp_arg *text)
{
    struct name *name = calloc(1, sizeof *name + text->size);
    if (!name)
        return NULL;
    if (text->size > 0)
        memcpy(name->bytes, text->data, text->size);
    name->text = (struct resp_arg){name->bytes, text->size};
    if (!tsearch(name, &names->tree, names_compare)) {
        name_free(name);
        return NULL;
    }
    name->previous = names->last;
    *(names->last ? &names->last->next : &names->first) = name;
    names->last = name;
    return name;
}

static void drop_if_unused(struct names *names, struct name *name)
{
    if (name->count > 0 || name->pins > 0)
        return;
    tdelete(name, &names->tree, names_compare);
    *(name->previous ? &name->previous->next : &names->first) = name->next;
    *(name->next ? &name->next->previous : &names->last) = name->previous;
    name_free(name);
}

static bool has_room(struct name *name)
{
    if (name->count < name->capacity)
        return true;
    size_t capacity = name->capacity ? 2 * name->capacity : 4;
    struct subscriber **grown = realloc(name->subscribers, capacity * sizeof *grown);
    if (!grown)
        return false;
    name->subscribers = grown;
    name->capacity = capacity;
    return true;
}

struct name *names_join(struct names *names, const struct resp_arg *text,
                        struct subscriber *subscriber)
{
    struct name *name = find_any(names, text);
    if (!name)
        name = add(names, text);
    if (!name)
        return NULL;
    if (!has_room(name)) {
        drop_if_unused(names, name);
        return NULL;
    }
    if (name->count == 0)
        names->count++;
    name->subscribers[name->count++] = subscriber;
    return name;
}

void names_leave(struct names *names, struct name *name, struct subscriber *subscriber)
{
    size_t i = 0;
    while (name->subscribers[i] != subscriber)
        i++;
    name->subscribers[i] = name->subscribers[--name->count];
    if (name->count == 0)
        names->count--;
    drop_if_unused(names, name);
}

/* ---- Walking ------------------------------------------------------------------------------ */

static void unpin(struct names *names, struct name *const *batch, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        batch[i]->pins--;
        drop_if_unused(names, batch[i]);
    }
}

bool names_walk_on(struct names *names, struct names_walk *walk)
{
    if (walk->begun && walk->count == 0)
        return false;
    struct name *name = walk->begun ? walk->batch[walk->count - 1]->next : names->first;
    struct name *before[NAMES_BATCH];
    size_t before_count = walk->count;
    for (size_t i = 0; i < before_count; i++)
        before[i] = walk->batch[i];
    walk->begun = true;
    walk->count = 0;
    for (; name && walk->count < NAMES_BATCH; name = name->next) {
        if (name->count == 0)
            continue;
        name->pins++;
        walk->batch[walk->count++] = name;
    }
    unpin(names, before, before_count);
    return walk->count > 0;
}

void names_walk_end(struct names *names, struct names_walk *walk)
{
    unpin(names, walk->batch, walk->count);
    walk->count = 0;
    walk->begun = true;
}
