#include <string.h>

#include "shim.h"

uint16_t
cv_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, packets, count);
}

uint16_t
cv_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, packets, count);
}

struct rte_mbuf *
cv_mbuf_alloc(struct rte_mempool *pool)
{
	return rte_pktmbuf_alloc(pool);
}

int
cv_mbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **packets, unsigned int count)
{
	return rte_pktmbuf_alloc_bulk(pool, packets, count);
}

void
cv_mbuf_free(struct rte_mbuf *packet)
{
	rte_pktmbuf_free(packet);
}

int
cv_mbuf_linearize(struct rte_mbuf *packet)
{
	return rte_pktmbuf_linearize(packet);
}

int
cv_mbuf_chain(struct rte_mbuf *head, struct rte_mbuf *tail)
{
	return rte_pktmbuf_chain(head, tail);
}

uint64_t
cv_rdtsc(void)
{
	return rte_rdtsc();
}

/* rte_errno is a per-lcore variable, which bindgen cannot reach. */
int
cv_errno(void)
{
	return rte_errno;
}

uint32_t
cv_lcore_id(void)
{
	return rte_lcore_id();
}

int
cv_port_info(uint16_t port, struct cv_port_info *info)
{
	struct rte_eth_dev_info dev;
	int rc;

	memset(&dev, 0, sizeof(dev));
	rc = rte_eth_dev_info_get(port, &dev);
	if (rc != 0)
		return rc;

	memset(info, 0, sizeof(*info));
	info->driver_name = dev.driver_name;
	info->if_index = dev.if_index;
	info->min_mtu = dev.min_mtu;
	info->max_mtu = dev.max_mtu;
	info->min_rx_bufsize = dev.min_rx_bufsize;
	info->max_rx_pktlen = dev.max_rx_pktlen;
	info->max_rx_queues = dev.max_rx_queues;
	info->max_tx_queues = dev.max_tx_queues;
	info->rx_offloads = dev.rx_offload_capa;
	info->tx_offloads = dev.tx_offload_capa;
	info->rss_types = dev.flow_type_rss_offloads;
	info->rx_desc_min = dev.rx_desc_lim.nb_min;
	info->rx_desc_max = dev.rx_desc_lim.nb_max;
	info->rx_desc_align = dev.rx_desc_lim.nb_align;
	info->tx_desc_min = dev.tx_desc_lim.nb_min;
	info->tx_desc_max = dev.tx_desc_lim.nb_max;
	info->tx_desc_align = dev.tx_desc_lim.nb_align;
	info->socket = rte_eth_dev_socket_id(port);
	if (dev.dev_flags != NULL) {
		info->lsc_interrupt = (*dev.dev_flags & RTE_ETH_DEV_INTR_LSC) != 0;
		info->rmv_interrupt = (*dev.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
	}
	return 0;
}

int
cv_port_configure(uint16_t port, const struct cv_port_conf *conf)
{
	struct rte_eth_conf dev;

	memset(&dev, 0, sizeof(dev));
	dev.rxmode.mtu = conf->mtu;
	dev.rxmode.offloads = conf->rx_offloads;
	dev.txmode.offloads = conf->tx_offloads;
	if (conf->rss_types != 0) {
		dev.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		dev.rx_adv_conf.rss_conf.rss_hf = conf->rss_types;
	}
	dev.intr_conf.lsc = conf->lsc_interrupt != 0;
	dev.intr_conf.rmv = conf->rmv_interrupt != 0;
	return rte_eth_dev_configure(port, conf->rx_queues, conf->tx_queues, &dev);
}

int
cv_port_link(uint16_t port, struct cv_link *link)
{
	struct rte_eth_link dev;
	int rc;

	memset(&dev, 0, sizeof(dev));
	rc = rte_eth_link_get_nowait(port, &dev);
	if (rc != 0)
		return rc;
	link->speed_mbps = dev.link_speed;
	link->up = dev.link_status == RTE_ETH_LINK_UP;
	link->full_duplex = dev.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	link->autoneg = dev.link_autoneg == RTE_ETH_LINK_AUTONEG;
	return 0;
}

uint32_t
cv_version(void)
{
	return RTE_VERSION;
}

int
cv_tel_start_texts(struct rte_tel_data *data)
{
	return rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
}

/* Called u64 until DPDK 23.03. */
int
cv_tel_add_number(struct rte_tel_data *data, const char *name, uint64_t value)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
	return rte_tel_data_add_dict_uint(data, name, value);
#else
	return rte_tel_data_add_dict_u64(data, name, value);
#endif
}
