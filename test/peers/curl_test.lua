-- curl_test.lua: an HTTP server written with coir, fetched by curl.
local here = arg[0]:match('^.*/') or './'
package.path = ('%s?.lua;%s../lua/?.lua;%s'):format(here, here, package.path)
local test = require 'test'
local fiber = require 'fiber'
local loopback = require 'loopback'
local peer = require 'peer'

-- -- The server ---------------------------------------------------------------------------------------

local large = ('0123456789abcdef'):rep(1 << 20) -- 16 megabytes

local function read_chunked(s)
  local parts = {}
  while true do
    local size = tonumber(s:read('\r\n'):match('^%x+'), 16)
    local part = s:read(size + 2)
    if size == 0 then return table.concat(parts) end
    parts[#parts + 1] = part:sub(1, -3)
  end
end

local pages = {
  ['/hello'] = function() return 'hello, curl\n' end,
  ['/echo'] = function(request) return request.method .. ' ' .. request.body end,
  ['/large'] = function() return large end,
  ['/size'] = function(request) return tostring(#request.body) end,
  ['/slow'] = function() fiber.sleep(0.05); return 'slow' end,
}

local function read_request(s)
  local head = s:read('\r\n\r\n')
  if not head or head == '' then return nil end
  local request = { body = '' }
  request.method, request.path = head:match('^(%u+) (%S+) HTTP/1%.%d\r\n')
  local fields = {}
  for name, value in head:gmatch('\n([%w-]+): *([^\r\n]*)') do fields[name:lower()] = value end
  if fields.expect == '100-continue' then s:write('HTTP/1.1 100 Continue\r\n\r\n') end
  if fields['transfer-encoding'] == 'chunked' then
    request.body = read_chunked(s)
  elseif fields['content-length'] then
    request.body = s:read(tonumber(fields['content-length']))
  end
  return request
end

local function serve(s)
  for request in read_request, s do
    local page = pages[request.path]
    local body = page and page(request) or 'nothing here'
    s:writev(('HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n'):format(page and '200 OK' or '404 Not Found', #body),
      request.method == 'HEAD' and '' or body)
  end
  s:close()
end

local listener, port = loopback.listener()
local server = fiber.new(function()
  while true do fiber.new(serve, (listener:accept())) end
end)

--- Runs curl with these words about a path of the server. Returns its output.
local function curl(path, words)
  return peer.run(('curl -sS --max-time 30 %s http://127.0.0.1:%d%s 2>&1'):format(words or '', port, path))
end

-- -- Cases --------------------------------------------------------------------------------------------

test.case('curl is there', function() peer.need('curl', 'curl') end)

test.case('a page', function() test.equal({ curl('/hello') }, { 'hello, curl\n', true }) end)

test.case('a page that is missing', function()
  test.equal({ curl('/missing', "-w ' %{http_code}'") }, { 'nothing here 404', true })
end)

test.case('the head only', function()
  test.match(curl('/large', '-I'), '^HTTP/1%.1 200 OK\r\nContent%-Length: 16777216\r\n')
end)

test.case('POST and PUT with a body', function()
  test.equal({ curl('/echo', '-d "a=1&b=2"') }, { 'POST a=1&b=2', true })
  test.equal({ curl('/echo', '-X PUT -d text') }, { 'PUT text', true })
end)

test.case('an upload of known size, with 100-continue, and one in chunks', function()
  local path = os.tmpname()
  local file = io.open(path, 'w')
  file:write(large)
  file:close()
  test.equal({ curl('/size', '-H "Expect: 100-continue" --data-binary @' .. path) }, { '16777216', true })
  test.equal({ curl('/size', '-H "Transfer-Encoding: chunked" --data-binary @' .. path) }, { '16777216', true })
  os.remove(path)
end)

test.case('a download of 16 megabytes', function()
  local output, ok = curl('/large')
  test.ok(ok and output == large)
end)

test.case('several requests over one connection', function()
  local urls = (' http://127.0.0.1:%d/hello'):format(port):rep(19)
  test.equal({ curl('/hello', urls .. ' ') }, { ('hello, curl\n'):rep(20), true })
end)

test.case('twenty slow pages at once take the time of few', function()
  local urls = (' http://127.0.0.1:%d/slow'):format(port):rep(19)
  local began = fiber.clock()
  test.equal({ curl('/slow', '--no-progress-meter --parallel --parallel-immediate --parallel-max 20' .. urls) },
    { ('slow'):rep(20), true })
  test.ok(fiber.clock() - began < 20 * 0.05)
end)

test.case('eight curls at once', function()
  peer.in_fibers(8, function()
    for _ = 1, 3 do test.equal({ curl('/hello') }, { 'hello, curl\n', true }) end
  end)
end)

test.case('a client that goes away in the middle disturbs nobody', function()
  local _, ok = curl('/large', '--max-filesize 1000')
  test.ok(not ok)
  curl('/large', '--max-time 0.01 --limit-rate 1k')
  test.equal({ curl('/hello') }, { 'hello, curl\n', true })
end)

server:cancel()
test.finish()
