-- http_server_test.lua: an HTTP/1.0 server in coir, fetched by curl.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local peer = require 'peer'
local fiber = require 'fiber'
local test = require 'test'

peer.need('curl')

-- -- The server -----------------------------------------------------------------------------------------

local listener, port = peer.listener()
local large = ('0123456789abcdef'):rep(1 << 16)
local together, present, everybody = 20, 0, fiber.cond()

local function respond(s, status, body)
  assert(s:write { 'HTTP/1.0 ', status, '\r\nContent-Length: ', tostring(#body), '\r\n\r\n', body })
end

local pages = {
  ['/'] = function(s) respond(s, '200 OK', 'hello') end,
  ['/large'] = function(s) respond(s, '200 OK', large) end,
  ['/echo'] = function(s, size) respond(s, '200 OK', s:read(size, 10)) end,
  -- Answers nobody before the last of a group has come.
  ['/together'] = function(s)
    present = present + 1
    if present == together then everybody:broadcast() end
    while present < together do assert(everybody:wait(10)) end
    respond(s, '200 OK', 'all here')
  end,
}

local function serve(s)
  local head = assert(s:read('\r\n\r\n', 10))
  local page = pages[head:match('^%u+ (%S+) HTTP/1')]
  if page then
    page(s, tonumber(head:match('[Cc]ontent%-[Ll]ength: (%d+)') or 0))
  else
    respond(s, '404 Not Found', 'nothing here')
  end
  s:close()
end

fiber.create(function()
  while true do
    local s = listener:accept()
    fiber.create(serve, s)
  end
end)

-- -- The client -----------------------------------------------------------------------------------------

local folder = peer.folder()

--- Runs curl while the server goes on. Returns its exit status and what it printed.
local function curl(words)
  local log = os.tmpname()
  local process = peer.start(("sh -c 'curl -s -S --max-time 20 %s; echo \"status $?\"'"):format(words), log)
  process:wait()
  local file = assert(io.open(log, 'rb'))
  local text = file:read('a')
  file:close()
  os.remove(log)
  local body, status = text:match('^(.*)status (%d+)\n$')
  return tonumber(status), body
end

local function url(path) return ('http://127.0.0.1:%d%s'):format(port, path) end

test.case('curl fetches a page', function()
  test.equal({ curl(url '/') }, { 0, 'hello' })
end)

test.case('curl sees the status', function()
  test.equal({ curl('-f ' .. url '/missing') , nil }, { 22, (select(2, curl('-f ' .. url '/missing'))) })
  test.equal({ curl('-o /dev/null -w %{http_code} ' .. url '/missing') }, { 0, '404' })
end)

test.case('1 MiB arrives whole', function()
  local status, body = curl(url '/large')
  test.equal(status, 0)
  test.ok(body == large)
end)

test.case('a body that curl posts comes back', function()
  local path = folder .. '/body'
  local file = assert(io.open(path, 'wb'))
  file:write(large)
  file:close()
  local status, body = curl(('-H Expect: --data-binary @%s %s'):format(path, url '/echo'))
  test.equal(status, 0)
  test.ok(body == large)
end)

test.case('20 that fetch at once are all served at once', function()
  local range = url '/together' .. ('?[1-%d]'):format(together)
  pages['/together?x'] = nil
  local words = { '--parallel --parallel-immediate --parallel-max ' .. together }
  for _ = 1, together do words[#words + 1] = url '/together' end
  local status, body = curl(table.concat(words, ' '))
  test.equal({ status, body, range ~= nil }, { 0, ('all here'):rep(together), true })
end)

test.case('a client that goes away half-way harms nobody', function()
  test.equal((curl('--max-filesize 10 ' .. url '/large')), 63)
  test.equal({ curl(url '/') }, { 0, 'hello' })
end)

listener:close()
peer.remove_folder(folder)
test.finish()
