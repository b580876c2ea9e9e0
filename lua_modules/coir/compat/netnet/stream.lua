--- coir.compat.netnet.stream: TINN's NetStream, bytes and lines over a NativeSocket.
local NativeSocket = require 'coir.compat.netnet.native'
local ffi = require 'coir.compat.netnet.ffi'
local fiber = require 'coir.fiber'

local NetStream = { __name = 'NetStream' }
NetStream.__index = NetStream
setmetatable(NetStream, { __call = function(class, socket) return class:init(socket) end })

--- @param socket? table a NativeSocket
--- @return table? stream nil without a socket
function NetStream:init(socket)
  if not socket then return nil end
  local now = fiber.clock()
  return setmetatable({ Socket = socket, CanSeek = false, pending = '', block = ffi.new('uint8_t[1500]'),
                        last_read = now, last_write = now }, NetStream)
end

NetStream.create = NetStream.init

--- @param host string
--- @param port integer
--- @return table? stream
--- @return integer? code
function NetStream:connect(host, port)
  local socket, code = NativeSocket:createClient(host, port)
  if not socket then return nil, code end
  return self:init(socket)
end

function NetStream:isConnected() return self.Socket:isConnected() end

function NetStream:closeDown() return self.Socket:closeDown() end

function NetStream:setNonBlocking(on) return self.Socket:setNonBlocking(on) end

-- -- Idleness -------------------------------------------------------------------------------------

--- Seconds without reading after which `isIdle` says so. It ends no read.
function NetStream:setReadTimeout(seconds) self.read_timeout = seconds end

function NetStream:setWriteTimeout(seconds) self.write_timeout = seconds end

function NetStream:setIdleInterval(seconds)
  self.read_timeout, self.write_timeout = seconds, seconds
end

function NetStream:resetTimeout()
  self.last_read, self.last_write = fiber.clock(), fiber.clock()
end

--- Whether every interval that was set has passed; false when none was.
function NetStream:isIdle()
  local now, read, write = fiber.clock(), self.read_timeout, self.write_timeout
  if not read and not write then return false end
  return (not read or now - self.last_read > read) and (not write or now - self.last_write > write)
end

-- -- Reading --------------------------------------------------------------------------------------

--- Receives if nothing is pending.
--- @return boolean ok
--- @return integer|string? code 'eof' at the end
local function refill(self)
  self.last_read = fiber.clock()
  if self.pending ~= '' then return true end
  local n, code = self.Socket:receive(self.block)
  if not n then return false, code end
  if n == 0 then return false, 'eof' end
  self.pending = ffi.string(self.block, n)
  return true
end

local function take(self, n)
  local data = self.pending:sub(1, n)
  self.pending = self.pending:sub(n + 1)
  return data
end

--- Waits for `n` bytes or the end.
local function collect(self, n)
  local parts, left = {}, n
  while left > 0 do
    local ok, code = refill(self)
    if not ok then
      if #parts == 0 then return false, code end
      break
    end
    parts[#parts + 1] = take(self, left)
    left = left - #parts[#parts]
  end
  return table.concat(parts)
end

--- @return integer|boolean byte false when there is none
--- @return integer|string? code 'eof' at the end
function NetStream:readByte()
  local data, code = collect(self, 1)
  if not data then return false, code end
  return data:byte()
end

--- @param buffer table
--- @param length integer
--- @param offset? integer
--- @return integer|boolean n fewer than `length` only at the end; false when there are none
--- @return integer|string? code 'eof' at the end
function NetStream:readBytes(buffer, length, offset)
  buffer = buffer + (offset or 0)
  if length > ffi.sizeof(buffer) then error('the buffer is shorter than what is to be read', 2) end
  local data, code = collect(self, length)
  if not data then return false, code end
  ffi.copy(buffer, data, #data)
  return #data
end

--- @param length? integer 1500 without it
--- @return string|boolean data shorter only at the end; false when there is none
--- @return integer|string? code 'eof' at the end
function NetStream:readString(length) return collect(self, length or 1500) end

--- A line without its end: `\n` ends it, every `\r` is dropped.
--- @param size? integer the longest line, 1024 without it; what is beyond is the next one
--- @return string|boolean line '' also at the end of the stream, for ever; false when reading fails
--- @return integer|string? code
function NetStream:readLine(size)
  size = size or 1024
  local line = ''
  while #line < size do
    local ok, code = refill(self)
    if not ok and code ~= 'eof' then return false, code end
    if not ok then break end
    local first, last = self.pending:find('\n', 1, true)
    if last then last = first - 1 end
    local piece = self.pending:sub(1, math.min(last or #self.pending, size - #line))
    take(self, #piece)
    line = line .. piece:gsub('\r', '')
    if #piece == last then
      take(self, 1)
      break
    end
  end
  return line
end

-- -- Writing --------------------------------------------------------------------------------------

function NetStream:canWrite() return self.Socket:canWriteWithoutBlocking() end

--- Sends all of it.
--- @return integer n bytes sent, fewer when it failed
--- @return integer|string? code
local function send_all(self, data)
  local sent, code = 0, nil
  while sent < #data do
    local n
    n, code = self.Socket:send(data:sub(sent + 1))
    if not n and code ~= 'wouldblock' then break end
    if not n then self.Socket.native:writable() end
    sent = sent + (n or 0)
  end
  self.last_write = fiber.clock()
  return sent, sent < #data and code or nil
end

function NetStream:writeByte(value) return send_all(self, string.char(value)) end

--- @param buffer table|string
--- @param length? integer all without it
--- @param offset? integer
--- @return integer n
--- @return integer|string? code
function NetStream:writeBytes(buffer, length, offset)
  offset = offset or 0
  length = length or (type(buffer) == 'string' and #buffer or ffi.sizeof(buffer)) - offset
  return send_all(self, ffi.string(buffer, offset + length):sub(offset + 1))
end

function NetStream:writeString(text, count, offset) return self:writeBytes(text, count, offset) end

--- Sends a line, if there is one, and `\r\n`.
function NetStream:writeLine(line) return send_all(self, (line or '') .. '\r\n') end

return NetStream
