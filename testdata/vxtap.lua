-- A Wireshark dissector for the headers of vxtap's sealed networks:
--
--   tshark -X lua_script:testdata/vxtap.lua -r file.pcap -Y vxtap
--
-- or copied to Wireshark's folder of personal plugins. Wireshark's Lua has no AES, so what
-- is sealed stays bytes. Port 4789 is shared with plain VXLAN, from which sealed packets
-- differ in their first byte: 0x40 to 0x47. For other ports there is "Decode As", or
-- -d udp.port==8472,vxtap. The format is described in package crypto.

local vxtap = Proto("vxtap", "vxtap sealed VXLAN")

local DATA, COOKIE, KEEPALIVE = 0x40, 0x43, 0x44
local START_SIZE, HEADER_SIZE, TAG_SIZE = 8, 16, 16
local VERSION, PARTIAL, CONTROL_QUEUE, MAX_QUEUES = 1, 0x0001, 16, 16

local types = {
    [0x40] = "Data",
    [0x41] = "Handshake initiation",
    [0x42] = "Handshake response",
    [0x43] = "Cookie or challenge",
    [0x44] = "Keepalive or confirmation",
    [0x45] = "Reserved",
    [0x46] = "Reserved",
    [0x47] = "Reserved",
}

local f = {
    type = ProtoField.uint8("vxtap.type", "Type", base.HEX, types),
    version = ProtoField.uint8("vxtap.version", "Version", base.DEC),
    flags = ProtoField.uint16("vxtap.flags", "Flags", base.HEX),
    partial = ProtoField.bool("vxtap.flags.partial", "Inner checksum is partial", 16, nil, PARTIAL),
    unknown = ProtoField.uint16("vxtap.flags.unknown", "Unknown flags", base.HEX, nil, 0xfffe),
    index = ProtoField.uint32("vxtap.index", "Receiver's index", base.HEX),
    sender = ProtoField.uint32("vxtap.sender", "Sender's index", base.HEX),
    queue = ProtoField.uint8("vxtap.queue", "Sending queue", base.DEC, { [CONTROL_QUEUE] = "control" }),
    counter = ProtoField.uint64("vxtap.counter", "Counter", base.DEC),
    sealed = ProtoField.bytes("vxtap.sealed", "Sealed"),
    tag = ProtoField.bytes("vxtap.tag", "Tag"),
    reply = ProtoField.uint8("vxtap.reply", "Kind", base.DEC, { [1] = "cookie", [2] = "challenge" }),
    body = ProtoField.bytes("vxtap.body", "Message"),
}
vxtap.fields = f

local e = {
    short = ProtoExpert.new("vxtap.short", "Too short", expert.group.MALFORMED, expert.severity.ERROR),
    version = ProtoExpert.new("vxtap.version.unknown", "Unknown version", expert.group.PROTOCOL, expert.severity.WARN),
    flags = ProtoExpert.new("vxtap.flags.refused", "Flags that a receiver refuses", expert.group.PROTOCOL, expert.severity.WARN),
    queue = ProtoExpert.new("vxtap.queue.refused", "No such queue", expert.group.PROTOCOL, expert.severity.WARN),
}
vxtap.experts = e

-- start dissects the eight bytes with which every message begins.
local function start(buf, tree, kind)
    tree:add(f.type, buf(0, 1))
    local version = tree:add(f.version, buf(1, 1))
    if buf(1, 1):uint() ~= VERSION then
        version:add_proto_expert_info(e.version)
    end
    local flags = tree:add(f.flags, buf(2, 2))
    flags:add(f.partial, buf(2, 2))
    flags:add(f.unknown, buf(2, 2))
    local set = buf(2, 2):uint()
    if set ~= 0 and not (kind == DATA and set == PARTIAL) then
        flags:add_proto_expert_info(e.flags)
    end
    -- The initiator does not know an index of the receiver's yet, and gives its own.
    tree:add(kind == 0x41 and f.sender or f.index, buf(4, 4))
end

-- sealed dissects what data and keepalives have behind that. The queue is the counter's top
-- byte.
local function sealed(buf, tree)
    local queue = tree:add(f.queue, buf(8, 1))
    local number = buf(8, 1):uint()
    if number >= MAX_QUEUES and number ~= CONTROL_QUEUE then
        queue:add_proto_expert_info(e.queue)
    end
    tree:add(f.counter, buf(9, 7))
    local size = buf:len() - HEADER_SIZE - TAG_SIZE
    if size > 0 then
        tree:add(f.sealed, buf(HEADER_SIZE, size))
    end
    tree:add(f.tag, buf(buf:len() - TAG_SIZE, TAG_SIZE))
end

-- handshake dissects what the other messages have there.
local function handshake(buf, tree, kind)
    if buf:len() == START_SIZE then
        return
    end
    if kind == COOKIE then
        tree:add(f.reply, buf(START_SIZE, 1))
    end
    tree:add(f.body, buf(START_SIZE))
end

-- Whatever has VXLAN's port: it gets what is not sealed.
local ports = DissectorTable.get("udp.port")
local plain = ports:get_dissector(4789)

function vxtap.dissector(buf, pinfo, root)
    local kind = buf:len() > 0 and buf(0, 1):uint() or 0
    if not types[kind] then
        return plain and plain:call(buf, pinfo, root) or 0
    end
    pinfo.cols.protocol = "vxtap"
    pinfo.cols.info = types[kind]
    local tree = root:add(vxtap, buf(), "vxtap, " .. types[kind])
    local data = kind == DATA or kind == KEEPALIVE
    if buf:len() < (data and HEADER_SIZE + TAG_SIZE or START_SIZE) then
        tree:add_proto_expert_info(e.short)
        return buf:len()
    end
    start(buf, tree, kind)
    if data then
        sealed(buf, tree)
    else
        handshake(buf, tree, kind)
    end
    return buf:len()
end

ports:add(4789, vxtap)
