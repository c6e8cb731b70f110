/*
** list_array.h: the array of a list, for list*.c alone
** MIT licence, see LICENSE
**
** All inside the list's guard.
*/

#ifndef MP_STORE_LIST_ARRAY_H
#define MP_STORE_LIST_ARRAY_H

#include "store/list.h"

static inline struct mp_element *mp_list_at(const struct mp_arena *a,
                                            const struct mp_list *l,
                                            uint64_t i) {
  return (struct mp_element *)mp_at(a, l->array) + l->start + i;
}

/* A new element on its way in; see mp_element_ready. */
struct mp_incoming {
  const struct mp_value *value;
  uint64_t ready; /* an entry in the hand that is not in an element yet */
  struct mp_element element;
};

/* Makes the element of a value: a short value's entry inside the guard, a
** long one's is `ready`. */
int mp_element_ready(struct mp_arena *a, struct mp_incoming *in);
/* In the transaction that makes it part of the row: 1 word. */
void mp_element_given(struct mp_arena *a, struct mp_guard *g,
                      struct mp_incoming *in);
/* Its entry becomes trash, if it has one: 1 word. */
int mp_element_drop(struct mp_arena *a, struct mp_guard *g,
                    const struct mp_element *e, struct mp_trash *t);

/* `remove` elements at i make way for `insert` whose contents are `with`.
** The caller drops and gives what they name, in the same transaction: 18 words
** at most. */
int mp_list_splice(struct mp_arena *a, struct mp_list *l, uint64_t i,
                   uint64_t remove, const struct mp_element *with,
                   uint64_t insert, struct mp_trash *t);

/* Gives memory back where most of the array is empty; a transaction of its
** own, and no fault when it fails. */
void mp_list_shrink(struct mp_arena *a, struct mp_list *l,
                    struct mp_trash *t);

#endif
