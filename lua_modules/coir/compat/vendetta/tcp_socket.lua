--- coir.compat.vendetta.tcp_socket: Vendetta Online's class TCPSocket.
---
--- Nothing here waits. Handlers are level-triggered: for each that is set a fiber, the *watch*, waits until the
--- socket is ready, runs the handler in the socket's turn, and does so again for as long as it is set and the
--- socket is the same. A socket that is connecting, connected or listening is kept alive.
local base = require 'coir.compat.base'
local errno = require 'coir.errno'
local fiber = require 'coir.fiber'

local TCPSocket = {}
TCPSocket.__index = TCPSocket
TCPSocket.__name = 'TCPSocket'

-- An object's fields: `socket`, while it is connected or listening; `listening`; `connecting`, the fiber that does;
-- `problem`, the text for GetSocketError; `refused`, while a failed connect has not been told; `failure`, an errno
-- that the next Recv returns; `watches`, by the handler's field the socket that is watched for it.

local piece = 65536 -- bytes that Recv asks for at once
local most = 16 * piece -- bytes that Recv returns at most; for what is left the handler is called again
local backlog = 256
local shortest_pause, longest_pause = 0.005, 1 -- seconds, when descriptors have run out

-- -- Watching ---------------------------------------------------------------------------------------

local wait_for = {
  connect_handler = 'readable',
  read_handler = 'readable',
  write_handler = 'writable',
}

--- The handler, unless the socket has changed meanwhile: then nobody is to be called.
local function run_handler(self, s, field)
  local handler = self[field]
  if self.socket == s and handler then handler(self) end
end

--- After Accept found no descriptor to be free: waits longer each time, and says so the first time.
local function pause(self, seconds)
  if not self.exhausted then return shortest_pause end
  if seconds == shortest_pause then base.log.WARN('TCPSocket:Accept: ', self.exhausted) end
  self.exhausted = nil
  fiber.sleep(seconds)
  return math.min(2 * seconds, longest_pause)
end

local function watch(self, s, field)
  local wait, seconds = s[wait_for[field]], shortest_pause
  while self.socket == s and self[field] do
    if not wait(s) then fiber.sleep(longest_pause) end -- the kernel cannot watch it now
    base.in_turn(self, run_handler, self, s, field)
    seconds = pause(self, seconds)
  end
  if self.watches[field] == s then self.watches[field] = nil end
end

--- Sees to it that the handler in this field is called when its time comes.
local function arm(self, field)
  local s = self.socket
  if not s or not self[field] or self.watches[field] == s then return end
  if (field == 'connect_handler') ~= self.listening then return end
  local started, message = base.spawn(field, watch, self, s, field)
  if started then
    self.watches[field] = s
  else
    base.log.ERROR('TCPSocket: ', message)
  end
end

local function arm_all(self)
  for _, field in ipairs { 'connect_handler', 'write_handler', 'read_handler' } do arm(self, field) end
end

-- -- Connecting -------------------------------------------------------------------------------------

--- Gives the connection or the listener up, if there is one. Nobody is told.
local function drop(self)
  local connecting, s = self.connecting, self.socket
  self.connecting, self.socket, self.listening = nil, nil, false
  self.problem, self.failure, self.refused, self.exhausted = nil, nil, nil, nil
  base.release(self)
  if connecting and connecting:status() ~= 'dead' then connecting:cancel() end
  if s then s:close() end
end

local function adopt(self, s, listening)
  s:nonblock(true)
  self.socket, self.listening = s, listening
  base.keep(self)
  arm_all(self)
end

--- Tells the write handler, once, of a connection that could not be made.
local function tell_refusal(self)
  if self.refused and self.write_handler then
    self.refused = nil
    base.release(self)
    self.write_handler(self)
  end
end

--- What GetSocketError says: the system's text, or the resolver's.
local function describe(message, code)
  return code and code ~= errno.EIO and errno.strerror(code) or message
end

local function connect(self, host, port)
  local s, message, code = base.connect(host, port)
  if self.connecting ~= fiber.self() then -- dropped at the last moment
    if s then s:close() end
    return
  end
  self.connecting = nil
  if s then return adopt(self, s, false) end
  self.problem, self.refused = describe(message, code), true
  base.in_turn(self, tell_refusal, self)
end

--- Starts to connect, and drops what the object was connected to. The write handler is called when it is done.
--- @param host string a name or an address
--- @param port number|string
--- @return integer? started 1
--- @return string? message why it failed at once
function TCPSocket:Connect(host, port)
  drop(self)
  local name, number = base.parse(host, port or '')
  if not name then return nil, number end
  local worker, message = base.spawn('connect', connect, self, name, number)
  if not worker then return nil, message end
  self.connecting = worker
  base.keep(self)
  return 1, nil
end

--- Listens on all interfaces.
--- @param port number|string 0: any that is free
--- @return integer? listening 1
--- @return string? message
function TCPSocket:Listen(port)
  drop(self)
  local host, number = base.parse('0.0.0.0', port or '')
  if not host then return nil, number end
  local s, message = base.listen(host, number, backlog)
  if not s then return nil, message end
  adopt(self, s, true)
  return 1, nil
end

local function new()
  return setmetatable({ listening = false, watches = {} }, TCPSocket)
end

local out_of = {
  [errno.EMFILE] = true, [errno.ENFILE] = true, [errno.ENOBUFS] = true, [errno.ENOMEM] = true,
}

--- @return table? accepted a connected TCPSocket without handlers; nil when none waits
function TCPSocket:Accept()
  if not self.listening then return nil end
  local s, message, code = self.socket:accept()
  if not s then
    if out_of[code] then self.exhausted = message end
    return nil
  end
  local accepted = new()
  adopt(accepted, s, false)
  return accepted
end

--- Ends what there is: a connection, a connecting, a listener. No handler is called afterwards. May be repeated.
function TCPSocket:Disconnect() drop(self) end

-- -- Handlers ---------------------------------------------------------------------------------------

--- Sets what is called while a connection waits to be accepted; nil: nothing.
function TCPSocket:SetConnectHandler(handler)
  self.connect_handler = handler
  arm(self, 'connect_handler')
end

--- Sets what is called while data, the end of the stream or an error waits to be received; nil: nothing.
function TCPSocket:SetReadHandler(handler)
  self.read_handler = handler
  arm(self, 'read_handler')
end

--- Sets what is called when connecting ends, well or not, and while there is room for output; nil: nothing.
function TCPSocket:SetWriteHandler(handler)
  self.write_handler = handler
  arm(self, 'write_handler')
  if self.refused and handler then base.spawn('connect', base.in_turn, self, tell_refusal, self) end
end

-- -- Data -------------------------------------------------------------------------------------------

local function connected(self) return self.socket and not self.listening end

--- Hands bytes to the kernel.
--- @param data string
--- @return integer sent how many it took; -1 when none could be sent
function TCPSocket:Send(data)
  if not connected(self) or type(data) ~= 'string' and type(data) ~= 'number' then return -1 end
  local sent, message, code = self.socket:syswrite(tostring(data))
  if sent then return sent end
  if code ~= errno.EAGAIN then self.problem = describe(message, code) end
  return -1
end

--- Everything from the kernel, and how it ended: nil when it is drained, '' at the end of the stream, or a failure.
local function receive(s)
  local data, message, code = s:sysread(piece)
  if not data or #data < piece then return data, message, code end
  local parts, size = { data }, piece
  while #data == piece and size < most do
    data, message, code = s:sysread(piece)
    if not data then break end
    parts[#parts + 1] = data
    size = size + #data
  end
  return table.concat(parts), message, code
end

--- Takes what has arrived.
--- @return string? data
--- @return integer? code nil when nothing is there, 0 at the end of the stream, else an error number
function TCPSocket:Recv()
  if not connected(self) then return nil, errno.ENOTCONN end
  local data, message, code = receive(self.socket)
  if code == errno.EAGAIN then code = nil end
  if code then self.problem = describe(message, code) end
  if data and data ~= '' then
    self.failure = code or self.failure
    return data
  end
  code, self.failure = self.failure or code or data and 0, nil
  return nil, code
end

--- @return string? message of the last failure since Connect, or nil
function TCPSocket:GetSocketError()
  if connected(self) then
    local code = self.socket:getsockopt('SOL_SOCKET', 'SO_ERROR')
    if code and code ~= 0 then self.problem, self.failure = errno.strerror(code), code end
  end
  return self.problem
end

--- @return string? address `ip:port` of the other side; nil unless connected
function TCPSocket:GetPeerName()
  local peer = connected(self) and self.socket:peer()
  return peer and base.format(peer.host, peer.port) or nil
end

--- @return string? address `ip:port` of this side; nil unless connected or listening. Not in the original.
function TCPSocket:GetSockName()
  local name = self.socket and self.socket:name()
  return name and base.format(name.host, name.port) or nil
end

function TCPSocket:__tostring()
  return ('TCPSocket (%s)'):format(self.socket and tostring(self.socket) or
    self.connecting and 'connecting' or 'not connected')
end

return new
