if ($PSVersionTable.PSVersion -lt [version]'5.1') {
    [Console]::Out.WriteLine('{"powershell":"' + $PSVersionTable.PSVersion + '"}')
    exit 3
}
$bytes = [Convert]::FromBase64String([Console]::In.ReadLine())
. ([scriptblock]::Create([Text.Encoding]::UTF8.GetString($bytes)))
