--- stream.lua: send, receive and their statistics, for TCP and Unix streams.
local errno = require 'coir.errno'
local fiber = require 'coir.fiber'
local object = require 'coir.luasocket.object'

local stream = {}

local longest_piece = 65536 -- bytes that are cut out of a string at once, to be sent
local end_of_stream = errno.ECONNRESET -- which is `closed`, too

-- -- What was received before an object was closed ------------------------------------------------

--- Stands in for the socket when that is gone: after what `rbuf` holds comes the end of the stream.
local Rest = {}
Rest.__index = Rest

--- @param what? integer|string how many bytes, or the delimiter; without it, all
function Rest:peek(what)
  if what == '\n' then what = self.rbuf:find('\n', 1, true) end
  return self.rbuf:sub(1, what or -1)
end

function Rest:read(what)
  local data = self:peek(what)
  self.rbuf = self.rbuf:sub(#data + 1)
  return data
end

-- -- Receiving ------------------------------------------------------------------------------------

--- Calls a reading method of the socket, within the object's timeouts. Our own looks into the
--- kernel once when it must not wait; LuaSocket takes all that is there.
local function read(self, name, what)
  local s = self.s or self.rest
  if self.both then return object.retry(self, 'readable', s[name], s, what) end
  local before = self.timeout == 0 and #s.rbuf
  local data, problem, code = s[name](s, what, self.timeout)
  while before and code == errno.ETIMEDOUT and #s.rbuf > before do
    before = #s.rbuf
    data, problem, code = s[name](s, what, 0)
  end
  return data, problem, code
end

--- Takes what is buffered, for the third result of a call that failed.
local function take_buffered(self)
  local s = self.s or self.rest
  local size = #s.rbuf
  return size > 0 and s:read(size, 0) or ''
end

local function without_returns(line)
  if line:byte(-1) == 13 then line = line:sub(1, -2) end
  if not line:find('\r', 1, true) then return line end
  return (line:gsub('\r', ''))
end

--- What receive returns when it failed.
local function incomplete(self, code, prefix, part, convert)
  if not part then part = take_buffered(self) end
  self.received = self.received + #part
  if convert then part = convert(part) end
  local _, problem = object.failure(self, code)
  return nil, problem, prefix .. part
end

local function receive_line(self, prefix)
  local line, _, code = read(self, 'read', '\n')
  if not line then return incomplete(self, code, prefix, nil, without_returns) end
  if line:byte(-1) ~= 10 then
    return incomplete(self, end_of_stream, prefix, line, without_returns)
  end
  self.received = self.received + #line
  line = without_returns(line:sub(1, -2))
  return prefix == '' and line or prefix .. line, nil, nil
end

local function receive_all(self, prefix)
  local data, _, code = read(self, 'read', nil)
  if not data then return incomplete(self, code, prefix) end
  if data == '' then return incomplete(self, end_of_stream, prefix, data) end
  self.received = self.received + #data
  return prefix .. data, nil, nil
end

--- Receives nothing, but not before something is there.
local function receive_nothing(self)
  local data, _, code = read(self, 'peek', 1)
  if not data then return incomplete(self, code, '') end
  if data == '' then return incomplete(self, end_of_stream, '', data) end
  return '', nil, nil
end

local function receive_bytes(self, count, prefix)
  if #prefix > 0 and count <= #prefix then return prefix, nil, nil end
  local wanted = object.to_integer(count) - #prefix
  if wanted == 0 then return receive_nothing(self) end
  local data, _, code = read(self, 'read', wanted)
  if not data then return incomplete(self, code, prefix) end
  if #data < wanted then return incomplete(self, end_of_stream, prefix, data) end
  self.received = self.received + wanted
  return prefix == '' and data or prefix .. data, nil, nil
end

-- -- Sending --------------------------------------------------------------------------------------

--- Sends a piece within what is left of the object's timeouts. Returns how many bytes went, and the
--- code of the error, if any.
local function send_piece(self, piece, began)
  local left = self.timeout
  if left then left = left - (fiber.clock() - began) end
  local n, _, code, written = self.s:write(piece, self.both and 0 or left)
  if n then return n end
  if self.both and code == errno.ETIMEDOUT and self.s then
    left = math.min(self.block, self.total - (fiber.clock() - began))
    if left > 0 and self.s:writable(left) then code = nil end
  end
  return written, code
end

--- Sends the bytes from `first` to `last`, without cutting more out of a long string than is sent.
local function send_part(self, data, first, last)
  local began, next_byte, code = fiber.clock(), first, nil
  while next_byte <= last and not code do
    if not self.s then
      code = errno.EPIPE
    else
      local piece = data:sub(next_byte, math.min(last, next_byte + longest_piece - 1))
      local sent, problem = send_piece(self, piece, began)
      next_byte, code = next_byte + sent, problem
    end
  end
  self.sent = self.sent + (next_byte - first)
  if not code then return next_byte - 1.0, nil, nil end
  local _, message = object.failure(self, code)
  return nil, message, next_byte - 1.0
end

--- The first and the last byte that send's arguments mean, as LuaSocket reads them.
local function send_bounds(size, first, last)
  first = object.check_integer(first, 3, 1)
  last = object.check_integer(last, 4, -1)
  if first < 0 then first = size + first + 1 end
  if last < 0 then last = size + last + 1 end
  return math.max(first, 1), math.min(last, size)
end

--- Sends a string from its beginning to its end, as is done most of the time.
local function send_all(self, data)
  local n, _, code, written = self.s:write(data, self.timeout)
  self.sent = self.sent + (n or written)
  if n then return n + 0.0, nil, nil end
  local _, problem = object.failure(self, code)
  return nil, problem, written + 0.0
end

-- -- The methods ----------------------------------------------------------------------------------

local halves = { receive = 'R', send = 'W', both = 'RW' }

--- Adds what clients have; `class` is the name of theirs.
function stream.add_methods(methods, class)
  local check = object.check

  function methods.receive(self, pattern, prefix)
    check(self, class)
    prefix = object.check_string(prefix, 3, '')
    if pattern == nil or pattern == '*l' then return receive_line(self, prefix) end
    local count = tonumber(pattern)
    if count then
      if count < 0 or count ~= count then object.bad_argument(2, 'invalid receive pattern') end
      return receive_bytes(self, count, prefix)
    end
    local kind = object.check_string(pattern, 2):sub(1, 2)
    if kind == '*l' then return receive_line(self, prefix) end
    if kind == '*a' then return receive_all(self, prefix) end
    object.bad_argument(2, 'invalid receive pattern')
  end

  function methods.send(self, data, first, last)
    check(self, class)
    data = object.check_string(data, 2)
    local all = not first and not last and self.s and not self.both
    if all and data ~= '' then return send_all(self, data) end
    return send_part(self, data, send_bounds(#data, first, last))
  end

  function methods.shutdown(self, how)
    check(self, class)
    how = object.check_choice(how, 2, halves, 'both')
    if self.s then self.s:shutdown(how) end
    return 1.0
  end

  function methods.getstats(self)
    check(self, class)
    return self.received + 0.0, self.sent + 0.0, fiber.time() - self.birthday
  end

  function methods.setstats(self, received, sent, age)
    check(self, class)
    self.received = object.check_integer(received, 2, self.received)
    self.sent = object.check_integer(sent, 3, self.sent)
    if tonumber(age) then self.birthday = fiber.time() - tonumber(age) end
    return 1.0
  end
end

--- A new object of a class of streams.
--- @param fields { s?: any, family?: string, kind?: string }
function stream.new(class, fields)
  fields.rest = setmetatable({ rbuf = '' }, Rest)
  fields.received, fields.sent, fields.birthday = 0, 0, fiber.time()
  return object.new(class, fields)
end

--- accept() for a server object: a client of `class`.
function stream.accept(self, class)
  if not self.s then return nil, 'closed' end
  local s, _, code
  if self.both then
    s, _, code = object.retry(self, 'readable', self.s.accept, self.s)
  else
    s, _, code = self.s:accept(self.timeout)
  end
  if not s then return object.failure(self, code) end
  return stream.new(class, { s = object.adopt(s), family = self.family, kind = self.kind })
end

--- listen() for a master object, which becomes a server of `class`.
function stream.listen(self, backlog, class)
  local ok, _, code = false, nil, errno.EBADF
  if self.s then ok, _, code = self.s:listen(backlog) end
  if not ok then return nil, object.text(code) end
  setmetatable(self, class)
  return 1.0
end

--- Connects a socket of the object to an address. A timeout of 0 is one system call, as often as
--- one likes.
--- @return integer? code of the error
function stream.connect(self, host, port)
  local s = self.s
  local ok, _, code
  if self.timeout == 0 then
    fiber.yield() -- a loop that asks again and again lets others run
    s:nonblock(true)
    ok, _, code = s:sysconnect(host, port)
    s:nonblock(false)
    if code == errno.EINPROGRESS or code == errno.EAGAIN then code = errno.ETIMEDOUT end
  else
    local limit = self.both and math.min(self.block, self.total) or self.timeout
    ok, _, code = s:sysconnect(host, port, limit)
  end
  return not ok and code or nil
end

return stream
