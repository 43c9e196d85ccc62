/*
 * For cppcheck only, in place of macros it cannot expand (sys/queue.h,
 * jansson's loops): the same control flow, nothing else. Never included by the
 * project itself.
 */
#ifndef SLUICE_CPPCHECK_MACROS_H
#define SLUICE_CPPCHECK_MACROS_H

#define TAILQ_HEAD(name, type) \
	struct name { struct type *tqh_first, **tqh_last; }
#define TAILQ_FOREACH(var, head, field) \
	for (var = (head)->tqh_first; var; var = var->field.tqe_next)
#define STAILQ_FOREACH(var, head, field) \
	for (var = (head)->stqh_first; var; var = var->field.stqe_next)
#define LIST_FOREACH(var, head, field) \
	for (var = (head)->lh_first; var; var = var->field.le_next)
#define json_array_foreach(array, index, value)                               \
	for (index = 0; index < json_array_size(array) &&                     \
	     (value = json_array_get(array, index)); index++)
#define json_object_foreach(object, key, value)                               \
	for (key = json_object_iter_key(json_object_iter(object));            \
	     key && (value = json_object_iter_value(                          \
		 json_object_key_to_iter(key)));                              \
	     key = json_object_iter_key(json_object_iter_next(object,         \
		 json_object_key_to_iter(key))))

#endif
