// GNTTABOP_copy: Xen moves bytes between a granted page and a page of the caller's, or between two granted pages.
#include "models/xen/grant/lookup.h"

namespace xensim::xen::grant {

namespace {

// A part of a page that may be copied from or to. Holds a reference to the frame and a pin of the entry.
struct Acquired {
  Mfn frame;
  std::uint16_t start = 0, length = 0;
};

std::uint32_t pins_of(bool readonly) { return readonly ? kPinHostRead : kPinHostWrite; }

// Undoes acquire(), but for the reference to the frame.
void release_grant(Hypervisor& hv, domid_t domid, grant_ref_t ref, bool readonly) {
  Domain* granter = find_domain(hv, domid);
  if (!granter) return;
  GrantTable& table = *granter->grants;
  const ActiveEntry active = table.active(ref);
  if (!readonly) mark_dirty(hv, *granter, active.mfn);
  table.unpin(ref, pins_of(readonly), readonly);
  // A transitive grant holds the grant that it stands for too; one level deep.
  if (active.trans_domid != domid) release_grant(hv, active.trans_domid, active.trans_gref, readonly);
  retire_if_unused(hv, domid);
}

std::int16_t acquire(Hypervisor& hv, Domain& granter, grant_ref_t ref, domid_t user, bool readonly,
                     bool transitive, Acquired& out);

// The caller has checked that the entry's record lets one more use in.
std::int16_t acquire_transitive(Hypervisor& hv, Domain& granter, grant_ref_t ref, const Access& access,
                                bool allowed, bool mark, Acquired& out) {
  GrantTable& table = *granter.grants;
  const PhysAddr entry = table.entry(ref), status = table.status(ref);
  if (mark)
    if (const auto rc = set_status_v2(table.words, entry, status, access); rc != GNTST_okay) return rc;
  const auto give_up = [&](std::int16_t rc) {
    reduce_status(table.words, status, table.active(ref).pin, access.readonly);
    return rc;
  };
  if (!allowed) return give_up(GNTST_general_error);
  const auto domid = hv.memory.read<domid_t>(entry + offsetof(grant_entry_v2_t, transitive.trans_domid));
  const auto their_ref = hv.memory.read<grant_ref_t>(entry + offsetof(grant_entry_v2_t, transitive.gref));
  if (domid == granter.domid) return give_up(GNTST_general_error);
  Domain* owner = find_domain(hv, domid);
  if (!owner) return give_up(GNTST_general_error);
  Acquired theirs;
  const auto rc = acquire(hv, *owner, their_ref, granter.domid, access.readonly, false, theirs);
  if (rc != GNTST_okay) return give_up(rc);
  ActiveEntry& active = table.active(ref);
  if (active.pin &&
      (active.mfn != theirs.frame || active.start != theirs.start || active.length != theirs.length ||
       active.trans_domid != domid || active.trans_gref != their_ref || !active.is_sub_page)) {
    // It stood for another grant when its use began. Xen lets the copy be tried again, for ever; so the entry must
    // be left alone until then.
    hv.frames.put_page(theirs.frame);
    release_grant(hv, domid, their_ref, access.readonly);
    return give_up(GNTST_eagain);
  }
  // Whatever the grant behind it is, this one counts as a part of a page, so that nobody maps it.
  if (!active.pin) active = {0, access.domid, theirs.start, theirs.length, true, domid, their_ref, theirs.frame};
  out.frame = theirs.frame;
  return GNTST_okay;
}

// What the entry, which is no transitive one, says of frame and part.
std::int16_t acquire_own(Hypervisor& hv, Domain& granter, grant_ref_t ref, const Access& access, Acquired& out) {
  GrantTable& table = *granter.grants;
  const PhysAddr entry = table.entry(ref), status = table.status(ref);
  const bool v1 = table.version() == 1;
  const auto rc =
      v1 ? set_status_v1(table.words, entry, access) : set_status_v2(table.words, entry, status, access);
  if (rc != GNTST_okay) return rc;
  ActiveEntry now{0, access.domid, 0, kPageSize, false, granter.domid, ref, Mfn()};
  std::uint64_t gfn = 0;
  if (v1) {
    gfn = hv.memory.read<std::uint32_t>(entry + offsetof(grant_entry_v1_t, frame));
  } else {
    gfn = hv.memory.read<std::uint64_t>(entry + offsetof(grant_entry_v2_t, full_page.frame));
    if (hv.memory.read<std::uint16_t>(entry) & GTF_sub_page) {
      now.is_sub_page = true;
      now.start = hv.memory.read<std::uint16_t>(entry + offsetof(grant_entry_v2_t, sub_page.page_off)) & 0x7fff;
      now.length = hv.memory.read<std::uint16_t>(entry + offsetof(grant_entry_v2_t, sub_page.length));
    }
  }
  const auto got = get_frame(hv, granter, gfn, access.readonly, now.mfn);
  if (got != GNTST_okay) {
    reduce_status(table.words, status, table.active(ref).pin, access.readonly);
    return got;
  }
  if (!table.active(ref).pin) table.active(ref) = now;
  out.frame = now.mfn;
  return GNTST_okay;
}

std::int16_t acquire(Hypervisor& hv, Domain& granter, grant_ref_t ref, domid_t user, bool readonly,
                     bool transitive, Acquired& out) {
  GrantTable& table = *granter.grants;
  table.lock.acquire(hv.cost, *hv.here().pcpu);
  if (ref >= table.entries()) return GNTST_bad_gntref;
  const std::uint32_t pins = pins_of(readonly), old_pin = table.active(ref).pin;
  if (old_pin && (table.active(ref).domid != user || old_pin & pin_overflow(pins))) return GNTST_general_error;
  const bool mark = !old_pin || (!readonly && !(old_pin & kPinWriters));
  const Access access{user, readonly, false, old_pin != 0};
  const auto flags = hv.memory.read<std::uint16_t>(table.entry(ref));
  if (table.version() == 2 && (flags & GTF_type_mask) == GTF_transitive) {
    const auto rc = acquire_transitive(hv, granter, ref, access, transitive, mark, out);
    if (rc != GNTST_okay) return rc;
  } else if (mark) {
    if (const auto rc = acquire_own(hv, granter, ref, access, out); rc != GNTST_okay) return rc;
  } else {
    // In use already, in a way that covers this one.
    out.frame = table.active(ref).mfn;
    if (granter.dying || !hv.frames.get_page(out.frame, granter.domid)) {
      reduce_status(table.words, table.status(ref), old_pin, readonly);
      return GNTST_bad_domain;
    }
  }
  table.pin(ref, pins);
  out.start = table.active(ref).start;
  out.length = table.active(ref).length;
  return GNTST_okay;
}

}  // namespace

CopyBatch::~CopyBatch() {
  release(source_);
  release(destination_);
}

void CopyBatch::release(Buffer& b) {
  // The reference goes last: a dead granter's frame and table may go with it.
  if (b.has_page) hv_.frames.put_page(b.mfn);
  if (b.has_grant) release_grant(hv_, b.domain->domid, b.at.u.ref, b.readonly);
  b.has_page = b.has_grant = false;
}

std::int16_t CopyBatch::choose_domain(Buffer& b, domid_t domid, bool by_ref) {
  if (domid != DOMID_SELF && !by_ref) return GNTST_permission_denied;
  b.domain = find_any_domain(hv_, caller_, domid);
  if (!b.domain) return GNTST_bad_domain;
  b.at.domid = domid;
  return GNTST_okay;
}

std::int16_t CopyBatch::claim(Buffer& b, const gnttab_copy_t& op, bool source) {
  const auto& wanted = source ? op.source : op.dest;
  b.readonly = source;
  if (op.flags & (source ? GNTCOPY_source_gref : GNTCOPY_dest_gref)) {
    Acquired a;
    const auto rc =
        acquire(hv_, *b.domain, wanted.u.ref, caller_.domain.domid, source, hv_.config.grants.transitive, a);
    if (rc != GNTST_okay) return rc;
    b.mfn = a.frame;
    b.at.u.ref = wanted.u.ref;
    b.at.offset = a.start;
    b.length = a.length;
    b.has_grant = true;
  } else {
    const auto rc = get_frame(hv_, *b.domain, wanted.u.gmfn, source, b.mfn);
    if (rc != GNTST_okay) return rc;
    b.at.u.gmfn = wanted.u.gmfn;
    b.at.offset = 0;
    b.length = kPageSize;
  }
  b.has_page = true;
  return GNTST_okay;
}

std::int16_t CopyBatch::copy_one(const gnttab_copy_t& op) {
  const bool source_ref = op.flags & GNTCOPY_source_gref, destination_ref = op.flags & GNTCOPY_dest_gref;
  if (!source_.domain || op.source.domid != source_.at.domid || !destination_.domain ||
      op.dest.domid != destination_.at.domid) {
    release(source_);
    release(destination_);
    auto rc = choose_domain(source_, op.source.domid, source_ref);
    if (rc == GNTST_okay) rc = choose_domain(destination_, op.dest.domid, destination_ref);
    if (rc != GNTST_okay) {
      source_.domain = destination_.domain = nullptr;
      return rc;
    }
  }
  const auto valid = [](const Buffer& b, const auto& wanted, bool by_ref) {
    if (!b.has_page) return false;
    return by_ref ? b.has_grant && wanted.u.ref == b.at.u.ref : wanted.u.gmfn == b.at.u.gmfn;
  };
  if (!valid(source_, op.source, source_ref)) {
    release(source_);
    if (const auto rc = claim(source_, op, true); rc != GNTST_okay) return rc;
  }
  if (!valid(destination_, op.dest, destination_ref)) {
    release(destination_);
    if (const auto rc = claim(destination_, op, false); rc != GNTST_okay) return rc;
  }
  const std::uint64_t length = op.len;
  if (op.source.offset + length > kPageSize || op.dest.offset + length > kPageSize) return GNTST_bad_copy_arg;
  for (const auto& [at, b] : {std::pair(op.source.offset, &source_), std::pair(op.dest.offset, &destination_)})
    if (at < b->at.offset || at + length > std::uint64_t{b->at.offset} + b->length) return GNTST_general_error;
  if (length == 0) return GNTST_okay;
  const PhysAddr from = address_of(source_.mfn) + op.source.offset;
  const PhysAddr to = address_of(destination_.mfn) + op.dest.offset;
  std::array<std::uint8_t, kPageSize> bytes;
  hv_.memory.read_bytes(from, std::span(bytes).first(length));
  hv_.memory.write_bytes(to, std::span(bytes).first(length));
  hv_.cost.charge_copy(*hv_.here().pcpu, to, from, length);
  mark_dirty(hv_, *destination_.domain, destination_.mfn);
  caller_.domain.grants->stats.copied_bytes += length;
  return GNTST_okay;
}

void CopyBatch::copy(gnttab_copy_t& op) {
  hv_.cost.charge(*hv_.here().pcpu, Path::kGrantCopy);
  op.status = counted(caller_, copy_one(op));
  if (op.status == GNTST_okay) {
    ++caller_.domain.grants->stats.copies;
    return;
  }
  release(source_);
  release(destination_);
}

}  // namespace xensim::xen::grant
