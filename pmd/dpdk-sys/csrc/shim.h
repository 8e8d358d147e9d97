/*
 * What Rust needs of DPDK and cannot take from its headers directly:
 *
 *   - calls that the headers define `static inline` (one call per burst, never per packet on the
 *     polling path),
 *   - mbuf field offsets, because bindgen names the anonymous unions of `struct rte_mbuf`
 *     differently from one DPDK release to the next,
 *   - flags that the headers define with function-like macros, which bindgen cannot evaluate,
 *   - flat structures for port capabilities and port configuration, so that whatever differs
 *     between DPDK 22.11 and 25.11 is guarded by RTE_VERSION in shim.c and nowhere else.
 */
#ifndef CURVNET_SHIM_H
#define CURVNET_SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE		/* fopencookie: EAL's log is written into memory */
#endif

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_version.h>
#include <rte_eal.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_cycles.h>
#include <rte_mempool.h>
#include <rte_mbuf.h>
#include <rte_ethdev.h>
#include <rte_telemetry.h>

#if RTE_VERSION < RTE_VERSION_NUM(22, 11, 0, 0)
#error "DPDK 22.11 or later is needed"
#endif

/* Offsets and sizes of `struct rte_mbuf`, in bytes. */
enum cv_mbuf_layout {
	CV_MBUF_SIZE = sizeof(struct rte_mbuf),
	CV_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr),
	CV_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off),
	CV_MBUF_REFCNT = offsetof(struct rte_mbuf, refcnt),
	CV_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs),
	CV_MBUF_PORT = offsetof(struct rte_mbuf, port),
	CV_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags),
	CV_MBUF_PACKET_TYPE = offsetof(struct rte_mbuf, packet_type),
	CV_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len),
	CV_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len),
	CV_MBUF_VLAN_TCI = offsetof(struct rte_mbuf, vlan_tci),
	CV_MBUF_RSS_HASH = offsetof(struct rte_mbuf, hash),
	CV_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len),
	CV_MBUF_POOL = offsetof(struct rte_mbuf, pool),
	CV_MBUF_NEXT = offsetof(struct rte_mbuf, next),
	CV_MBUF_TX_OFFLOAD = offsetof(struct rte_mbuf, tx_offload),
	/* Bit positions inside tx_offload. */
	CV_TX_OFFLOAD_L2_LEN_SHIFT = RTE_MBUF_L2_LEN_OFS,
	CV_TX_OFFLOAD_L3_LEN_SHIFT = RTE_MBUF_L3_LEN_OFS,
	CV_TX_OFFLOAD_L4_LEN_SHIFT = RTE_MBUF_L4_LEN_OFS,
};

/* Bytes of a mempool without its objects and its ring. */
enum {
	CV_MEMPOOL_SIZE = sizeof(struct rte_mempool) +
		RTE_MAX_LCORE * sizeof(struct rte_mempool_cache),
};

/* mbuf.ol_flags */
static const uint64_t CV_MBUF_ATTACHED = RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
static const uint64_t CV_RX_VLAN_STRIPPED = RTE_MBUF_F_RX_VLAN_STRIPPED;
static const uint64_t CV_RX_RSS_HASH = RTE_MBUF_F_RX_RSS_HASH;
static const uint64_t CV_RX_IP_CKSUM_MASK = RTE_MBUF_F_RX_IP_CKSUM_MASK;
static const uint64_t CV_RX_IP_CKSUM_GOOD = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
static const uint64_t CV_RX_IP_CKSUM_BAD = RTE_MBUF_F_RX_IP_CKSUM_BAD;
static const uint64_t CV_RX_L4_CKSUM_MASK = RTE_MBUF_F_RX_L4_CKSUM_MASK;
static const uint64_t CV_RX_L4_CKSUM_GOOD = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
static const uint64_t CV_RX_L4_CKSUM_BAD = RTE_MBUF_F_RX_L4_CKSUM_BAD;
static const uint64_t CV_TX_IPV4 = RTE_MBUF_F_TX_IPV4;
static const uint64_t CV_TX_IPV6 = RTE_MBUF_F_TX_IPV6;
static const uint64_t CV_TX_IP_CKSUM = RTE_MBUF_F_TX_IP_CKSUM;
static const uint64_t CV_TX_TCP_CKSUM = RTE_MBUF_F_TX_TCP_CKSUM;
static const uint64_t CV_TX_UDP_CKSUM = RTE_MBUF_F_TX_UDP_CKSUM;
static const uint64_t CV_TX_L4_MASK = RTE_MBUF_F_TX_L4_MASK;
static const uint64_t CV_TX_VLAN = RTE_MBUF_F_TX_VLAN;

/* Port offloads. */
static const uint64_t CV_RX_OFFLOAD_VLAN_STRIP = RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
static const uint64_t CV_RX_OFFLOAD_IPV4_CKSUM = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
static const uint64_t CV_RX_OFFLOAD_UDP_CKSUM = RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
static const uint64_t CV_RX_OFFLOAD_TCP_CKSUM = RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
static const uint64_t CV_RX_OFFLOAD_SCATTER = RTE_ETH_RX_OFFLOAD_SCATTER;
static const uint64_t CV_RX_OFFLOAD_RSS_HASH = RTE_ETH_RX_OFFLOAD_RSS_HASH;
static const uint64_t CV_TX_OFFLOAD_VLAN_INSERT = RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
static const uint64_t CV_TX_OFFLOAD_IPV4_CKSUM = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
static const uint64_t CV_TX_OFFLOAD_UDP_CKSUM = RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
static const uint64_t CV_TX_OFFLOAD_TCP_CKSUM = RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
static const uint64_t CV_TX_OFFLOAD_MULTI_SEGS = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

/* RSS over the addresses and, where there are any, the L4 ports. */
static const uint64_t CV_RSS_IP = RTE_ETH_RSS_IP;
static const uint64_t CV_RSS_TCP = RTE_ETH_RSS_TCP;
static const uint64_t CV_RSS_UDP = RTE_ETH_RSS_UDP;

static const uint32_t CV_LCORE_ID_ANY = LCORE_ID_ANY;
static const uint32_t CV_SPEED_UNKNOWN = RTE_ETH_SPEED_NUM_UNKNOWN;

/* What a port offers: the part of `struct rte_eth_dev_info` that is used. */
struct cv_port_info {
	const char *driver_name;	/* static string of the driver */
	uint32_t if_index;		/* kernel interface the port sits on, or 0 */
	uint16_t min_mtu;
	uint16_t max_mtu;
	uint32_t min_rx_bufsize;
	uint32_t max_rx_pktlen;
	uint16_t max_rx_queues;
	uint16_t max_tx_queues;
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	uint64_t rss_types;
	uint16_t rx_desc_min, rx_desc_max, rx_desc_align;
	uint16_t tx_desc_min, tx_desc_max, tx_desc_align;
	uint8_t lsc_interrupt;		/* link state changes are reported by interrupt */
	uint8_t rmv_interrupt;		/* removal is reported by interrupt */
	int socket;			/* NUMA node, -1 unknown */
};

/* What a port is configured with. */
struct cv_port_conf {
	uint16_t rx_queues;
	uint16_t tx_queues;
	uint32_t mtu;
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	uint64_t rss_types;		/* 0: no RSS */
	uint8_t lsc_interrupt;
	uint8_t rmv_interrupt;
};

struct cv_link {
	uint32_t speed_mbps;
	uint8_t up;
	uint8_t full_duplex;
	uint8_t autoneg;
};

/* Polling path. */
uint16_t cv_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count);
uint16_t cv_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count);
struct rte_mbuf *cv_mbuf_alloc(struct rte_mempool *pool);
int cv_mbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **packets, unsigned int count);
void cv_mbuf_free(struct rte_mbuf *packet);
int cv_mbuf_linearize(struct rte_mbuf *packet);
int cv_mbuf_chain(struct rte_mbuf *head, struct rte_mbuf *tail);
uint64_t cv_rdtsc(void);

/* Control path. */
int cv_errno(void);
uint32_t cv_lcore_id(void);
int cv_port_info(uint16_t port, struct cv_port_info *info);
int cv_port_configure(uint16_t port, const struct cv_port_conf *conf);
int cv_port_link(uint16_t port, struct cv_link *link);
uint32_t cv_version(void);

/* Telemetry. */
int cv_tel_start_texts(struct rte_tel_data *data);
int cv_tel_add_number(struct rte_tel_data *data, const char *name, uint64_t value);

/* DPDK's own longest-prefix match (fib.c), against which tests hold ours: 4-byte next hops, 0 is none. */
struct cv_fib;
struct cv_fib *cv_fib_create(const char *name, int max_routes, uint32_t num_tbl8);
void cv_fib_free(struct cv_fib *fib);
int cv_fib_add(struct cv_fib *fib, uint32_t prefix, uint8_t depth, uint64_t next_hop);
int cv_fib_delete(struct cv_fib *fib, uint32_t prefix, uint8_t depth);
int cv_fib_lookup_bulk(struct cv_fib *fib, uint32_t *addresses, uint64_t *next_hops, int count);

#endif
