--- coir.compat.mona.udp: what the UDP sockets of MonaServer and CumulusServer have in common.
local base = require 'coir.compat.base'
local errno = require 'coir.errno'
local socket = require 'coir.socket'

local udp = {}

--- Receives until the socket is closed. A peer's "port unreachable" is a warning.
local function receive(state, s)
  while state.socket == s do
    local open, data, from, code = pcall(s.recvfrom, s)
    if open and data then
      base.fire(state.object, state.event, state.object, data, base.format(from.host, from.port))
    elseif open then
      base.log.WARN('UDPSocket: ', errno.strerror(code))
    elseif state.socket == s then
      error(data, 0) -- cancelled
    end
  end
end

--- Makes the descriptor, unless there is one for this kind of address, and starts to receive.
--- @return any? s
--- @return string? message
local function open(state, ip)
  local family = ip:find(':', 1, true) and 'AF_INET6' or 'AF_INET'
  if state.socket and state.family == family then return state.socket end
  if state.bound or state.peer then return nil, errno.strerror(errno.EAFNOSUPPORT) end
  udp.close(state)
  local s, message = socket(family, 'SOCK_DGRAM', 'udp')
  if not s then return nil, message end
  state.socket, state.family = s, family
  local _
  _, message = base.spawn('udp', receive, state, s)
  if not message then return s end
  udp.close(state)
  return nil, message
end

--- @param event string the name of the event
--- @param make fun(state: table): table
--- @param broadcast? boolean whether datagrams may be sent to broadcast addresses
--- @return table object
function udp.new(event, make, broadcast)
  local state = { event = event, broadcast = broadcast }
  state.object = make(state)
  return state.object
end

--- @return string? message nothing when it is bound
function udp.bind(state, host, port)
  local ip, message = base.resolve(host)
  if not ip then return message end
  if state.bound == base.format(ip, port) then return end
  if state.bound then
    return ('UDPSocket already bound on %s, close the socket before'):format(state.bound)
  end
  udp.close(state) -- sending has bound it to a port of the system's choice
  local s
  s, message = open(state, ip)
  if not s then return message end
  local ok, problem = s:bind(ip, port)
  if not ok then return problem end
  local name = s:name()
  state.bound = base.format(name.host, name.port)
end

--- @return string? message nothing when it is connected
function udp.connect(state, host, port)
  local ip, message = base.resolve(host)
  if not ip then return message end
  local s
  s, message = open(state, ip)
  if not s then return message end
  local ok, problem = s:sysconnect(ip, port)
  if not ok then return problem end
  local peer = s:peer()
  state.peer = base.format(peer.host, peer.port)
end

--- Sends to the peer, or to an address. SO_BROADCAST is set only while a datagram needs it.
--- @return string? message nothing when it is sent
function udp.send(state, data, host, port)
  local ip, message, s
  if host then
    ip, message = base.resolve(host)
    if not ip then return message end
    s, message = open(state, ip)
    if not s then return message end
  else
    s = state.socket
  end
  local function transmit()
    if ip then return s:sendto(ip, port, data) end
    return s:send(data)
  end
  local n, problem, code = transmit()
  if not n and code == errno.EACCES and state.broadcast then
    s:setsockopt('SOL_SOCKET', 'SO_BROADCAST', true)
    n, problem = transmit()
    s:setsockopt('SOL_SOCKET', 'SO_BROADCAST', false)
  end
  if not n then return problem end
end

function udp.close(state)
  local s = state.socket
  state.socket, state.bound, state.peer = nil, nil, nil
  if s then s:close() end
end

udp.properties = {
  --- A socket that is bound to all addresses has none of its own.
  address = function(state)
    local name = (state.bound or state.peer) and state.socket:name()
    if not name or name.host == '0.0.0.0' or name.host == '::' then return nil end
    return base.format(name.host, name.port)
  end,
  peerAddress = function(state) return state.peer end,
}

return udp
