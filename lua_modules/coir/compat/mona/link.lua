--- coir.compat.mona.link: one TCP connection of a client object, from its handshake to its end.
---
--- A fiber reads and calls `owner.received(link, data)`, and at last `owner.ended(link, message)`,
--- once. `send` never waits: what the kernel does not take is queued, and a second fiber writes it.
local base = require 'coir.compat.base'
local errno = require 'coir.errno'
local fiber = require 'coir.fiber'

local Link = {}
Link.__index = Link

local link = {}

--- A link around a socket that is connected or connecting.
--- @param s any the socket
--- @param peer string its address, for people
--- @param open boolean whether the handshake is over
--- @param owner table `received`, `ended`, and `patience`: a function that tells how many seconds
---   the peer has to end its side
--- @return table link
function link.new(s, peer, open, owner)
  s:nonblock(true)
  return setmetatable({ socket = s, peer = peer, open = open, owner = owner, queue = {}, pending = '',
                        last = fiber.clock() }, Link)
end

-- -- Sending --------------------------------------------------------------------------------------

local function close(self)
  if self.timer then self.timer:cancel() end
  self.timer = nil
  self.socket:close()
end

local function set_timer(self)
  self.timer = self.timer or base.spawn('linger', function()
    fiber.sleep(self.owner.patience())
    self.timer = nil
    self.socket:shutdown('RW')
  end)
end

--- What is due once nothing is queued any more.
local function sent(self)
  if self.over then
    close(self)
  elseif self.problem then
    self.socket:shutdown('RW') -- the reader ends it
  elseif self.ending then
    self.socket:shutdown('W')
  end
end

local function drain(self)
  while #self.queue > 0 do
    local batch = self.queue
    self.queue = {}
    local n, _, code = self.socket:write(batch)
    if not n then
      self.problem = errno.strerror(code)
      break
    end
    self.last = fiber.clock()
  end
  self.writing = false
  sent(self)
end

local function start_writing(self)
  self.writing = true
  local _, message = base.spawn('write', drain, self)
  if message then
    self.writing, self.problem = false, message
    sent(self)
  end
end

--- Sends, at once or as soon as the kernel takes it.
--- @param data string
--- @return string? message nothing when it will be sent
function Link:send(data)
  if self.ending or self.over then return 'not connected' end
  if self.problem then return self.problem end
  if data == '' then return end
  if self.open and not self.writing then
    local n, _, code = self.socket:send(data)
    if not n and code ~= errno.EAGAIN then
      self.problem = errno.strerror(code)
      return self.problem
    end
    if n then self.last = fiber.clock() end
    if n == #data then return end
    data = n and data:sub(n + 1) or data
  end
  self.queue[#self.queue + 1] = data
  if self.open and not self.writing then start_writing(self) end
end

--- Ends the sending side when all is sent. The link ends when the peer ends its side, or when its
--- patience is over. During a handshake without anything to send it ends at once.
function Link:finish()
  if self.ending or self.over then return end
  self.ending = true
  set_timer(self)
  if not self.open and #self.queue == 0 then
    self.given_up = true
    self.socket:shutdown('RW')
  elseif self.open and not self.writing then
    self.socket:shutdown('W')
  end
end

--- Ends the link at once, with what is queued; nobody hears of it.
function Link:drop()
  self.silent, self.ending, self.given_up = true, true, true
  if not self.over then self.socket:shutdown('RW') end
end

-- -- Receiving ------------------------------------------------------------------------------------

--- Waits for the end of the handshake.
--- @return string? message when it failed
local function shake_hands(self)
  self.socket:writable()
  if self.given_up then return end
  local code = self.socket:getsockopt('SOL_SOCKET', 'SO_ERROR')
  if code ~= 0 then return errno.strerror(code) end
  self.open = true
  self.last = fiber.clock()
  if #self.queue > 0 then
    start_writing(self)
  else
    sent(self)
  end
end

--- Reads to the end.
--- @return string? message when it failed
local function receive(self)
  while true do
    local data, _, code = self.socket:read_any(65536)
    if not data then return errno.strerror(code) end
    if data == '' then return end
    self.last = fiber.clock()
    if not self.silent then self.owner.received(self, data) end
    if self.problem then return end
  end
end

local function run(self)
  local message
  if not self.open then message = shake_hands(self) end
  if self.open then message = receive(self) end
  self.over, self.pending = true, ''
  if self.writing then
    set_timer(self)
  else
    close(self)
  end
  if not self.silent then self.owner.ended(self, message or self.problem) end
end

--- Starts to receive.
--- @return string? message when there is no memory for a fiber; the link is closed then
function Link:start()
  local _, message = base.spawn('tcp ' .. self.peer, run, self)
  if message then
    self.over = true
    close(self)
  end
  return message
end

return link
