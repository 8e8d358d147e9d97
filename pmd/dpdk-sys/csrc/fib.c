/* An object of its own, so that programs that do not ask for it do not need librte_fib. */
#include <rte_fib.h>

#include "shim.h"

struct cv_fib *
cv_fib_create(const char *name, int max_routes, uint32_t num_tbl8)
{
	struct rte_fib_conf conf = {
		.type = RTE_FIB_DIR24_8,
		.default_nh = 0,
		.max_routes = max_routes,
		.dir24_8 = { .nh_sz = RTE_FIB_DIR24_8_4B, .num_tbl8 = num_tbl8 },
	};
	return (struct cv_fib *)rte_fib_create(name, -1, &conf);
}

void
cv_fib_free(struct cv_fib *fib)
{
	rte_fib_free((struct rte_fib *)fib);
}

int
cv_fib_add(struct cv_fib *fib, uint32_t prefix, uint8_t depth, uint64_t next_hop)
{
	return rte_fib_add((struct rte_fib *)fib, prefix, depth, next_hop);
}

int
cv_fib_delete(struct cv_fib *fib, uint32_t prefix, uint8_t depth)
{
	return rte_fib_delete((struct rte_fib *)fib, prefix, depth);
}

int
cv_fib_lookup_bulk(struct cv_fib *fib, uint32_t *addresses, uint64_t *next_hops, int count)
{
	return rte_fib_lookup_bulk((struct rte_fib *)fib, addresses, next_hops, count);
}
