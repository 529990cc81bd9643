import { defineService } from "@signalbox/kit";
import { accountsList } from "./accounts-list.ts";
import { analyticsDns } from "./analytics-dns.ts";
import { analyticsTop } from "./analytics-top.ts";
import { analyticsZone } from "./analytics-zone.ts";
import { dnsCreateRecord } from "./dns-create-record.ts";
import { dnsDeleteRecord } from "./dns-delete-record.ts";
import { dnsListRecords } from "./dns-list-records.ts";
import { dnsUpdateRecord } from "./dns-update-record.ts";
import { purgeCache } from "./purge-cache.ts";
import { connect } from "./runtime.ts";
import { cloudflareSettings } from "./settings.ts";
import { streamCopyFromUrl } from "./stream-copy-from-url.ts";
import { streamDelete } from "./stream-delete.ts";
import { streamDirectUpload } from "./stream-direct-upload.ts";
import { streamGet } from "./stream-get.ts";
import { streamList } from "./stream-list.ts";
import { streamStorage } from "./stream-storage.ts";
import { streamUpdate } from "./stream-update.ts";
import { streamUpload } from "./stream-upload.ts";
import { verifyToken } from "./verify-token.ts";
import { zoneCreate } from "./zone-create.ts";
import { zoneDelete } from "./zone-delete.ts";
import { zoneGet } from "./zone-get.ts";
import { zoneUpdate } from "./zone-update.ts";
import { zonesList } from "./zones-list.ts";

export const cloudflare = defineService({
  name: "cloudflare",
  title: "Cloudflare",
  version: "1.0.0",
  description:
    "Zones, DNS records, the cache, traffic and videos at Cloudflare. Zones are named by their domain.",
  settings: cloudflareSettings,
  tools: [
    zonesList,
    zoneGet,
    zoneCreate,
    zoneUpdate,
    zoneDelete,
    dnsListRecords,
    dnsCreateRecord,
    dnsUpdateRecord,
    dnsDeleteRecord,
    purgeCache,
    analyticsZone,
    analyticsTop,
    analyticsDns,
    streamList,
    streamGet,
    streamUpload,
    streamCopyFromUrl,
    streamDirectUpload,
    streamUpdate,
    streamDelete,
    streamStorage,
    accountsList,
    verifyToken,
  ],
  connect,
});
