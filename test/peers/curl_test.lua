-- curl_test.lua: an HTTP server written with coir, fetched by curl.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local peer = require 'peer'
local fiber = require 'fiber'
local test = require 'test'

peer.need('curl')

local folder = peer.folder()
local large = ('0123456789abcdef'):rep(1 << 18) -- 4 MiB
local together = 20

-- -- The server -----------------------------------------------------------------------------------

local function read_chunked(s)
  local parts = {}
  while true do
    local size = tonumber(assert(s:read('\r\n', 10)):match('^%x+'), 16)
    local part = assert(s:read(size + 2, 10))
    if size == 0 then return table.concat(parts) end
    parts[#parts + 1] = part:sub(1, -3)
  end
end

local function read_body(s, fields)
  if fields.expect == '100-continue' then assert(s:write('HTTP/1.1 100 Continue\r\n\r\n', 10)) end
  if fields['transfer-encoding'] == 'chunked' then return read_chunked(s) end
  return assert(s:read(tonumber(fields['content-length'] or 0), 10))
end

--- The next request of a connection, or nil at its end.
local function read_request(s)
  local head = assert(s:read('\r\n\r\n', 10))
  if head == '' then return nil end
  local method, path = head:match('^(%u+) (%S+) HTTP/1%.1\r\n')
  local fields = {}
  for name, value in head:gmatch('\n([%w-]+): *([^\r\n]*)') do fields[name:lower()] = value end
  return { method = method, path = path, body = read_body(s, fields) }
end

local present, everybody = 0, fiber.cond()

local pages = {
  ['/hello'] = function() return 'hello' end,
  ['/large'] = function() return large end,
  ['/echo'] = function(request) return request.method .. ' ' .. request.body end,
  -- Answers nobody before the last of a group has come.
  ['/together'] = function()
    present = present + 1
    if present == together then everybody:broadcast() end
    while present < together do assert(everybody:wait(10)) end
    return 'all here\n'
  end,
}

local function respond(s, request)
  local page = pages[request.path]
  local body = page and page(request) or 'nothing here'
  local head = ('HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n'):format(
    page and '200 OK' or '404 Not Found', #body)
  return s:write({ head, request.method == 'HEAD' and '' or body }, 10)
end

local function serve(s)
  for request in read_request, s do
    if not respond(s, request) then break end -- the client has gone
  end
  s:close()
end

local listener, port = peer.listener()
local connections = 0
fiber.create(function()
  while true do
    fiber.new(serve, (listener:accept()))
    connections = connections + 1
  end
end)

-- -- The client -----------------------------------------------------------------------------------

local function url(path) return (' http://127.0.0.1:%d%s'):format(port, path) end

--- Runs curl while the server goes on. Returns its exit status and what it printed.
local function curl(words)
  local log = os.tmpname()
  local process = peer.start(("sh -c 'curl -sS --max-time 20 %s; echo \"status $?\"'"):format(words),
    log)
  process:wait()
  local text = peer.take_file(log)
  local body, status = text:match('^(.*)status (%d+)\n$')
  return tonumber(status), body
end

test.case('curl fetches a page', function()
  test.equal({ curl(url '/hello') }, { 0, 'hello' })
end)

test.case('curl sees the status of a missing page', function()
  test.equal({ curl('-w " %{http_code}"' .. url '/missing') }, { 0, 'nothing here 404' })
  local status, message = curl('-f' .. url '/missing')
  test.equal(status, 22)
  test.match(message, '404')
end)

test.case('the head comes without the body', function()
  local status, head = curl('-I' .. url '/large')
  test.equal(status, 0)
  test.match(head, '^HTTP/1%.1 200 OK\r\nContent%-Length: 4194304\r\n\r\n$')
end)

test.case('POST and PUT send a body', function()
  test.equal({ curl('-d "a=1&b=2"' .. url '/echo') }, { 0, 'POST a=1&b=2' })
  test.equal({ curl('-X PUT -d text' .. url '/echo') }, { 0, 'PUT text' })
end)

test.case('4 MiB arrive whole', function()
  local status, body = curl(url '/large')
  test.equal(status, 0)
  test.ok(body == large)
end)

test.case('a large body comes back, of known size after 100-continue, and in chunks', function()
  local path = folder .. '/body'
  peer.put_file(path, large)
  for _, field in ipairs { 'Expect: 100-continue', 'Transfer-Encoding: chunked' } do
    local status, body = curl(('-H "%s" --data-binary @%s'):format(field, path) .. url '/echo')
    test.equal(status, 0)
    test.ok(body == 'POST ' .. large)
  end
end)

test.case('several requests come over one connection', function()
  local before = connections
  test.equal({ curl(url '/hello':rep(20)) }, { 0, ('hello'):rep(20) })
  test.equal(connections, before + 1)
end)

test.case('20 that fetch at once are all served at once', function()
  local words = ('--no-progress-meter --parallel --parallel-immediate --parallel-max %d'):format(
    together)
  test.equal({ curl(words .. url '/together':rep(together)) }, { 0, ('all here\n'):rep(together) })
end)

test.case('eight curls at once', function()
  peer.all(8, function()
    for _ = 1, 3 do test.equal({ curl(url '/hello') }, { 0, 'hello' }) end
  end)
end)

test.case('a client that goes away half-way harms nobody', function()
  test.equal((curl('--max-filesize 10' .. url '/large')), 63)
  test.equal({ curl(url '/hello') }, { 0, 'hello' })
end)

peer.remove_folder(folder)
test.finish()
