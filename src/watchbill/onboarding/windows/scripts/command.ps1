# Has the installed agent do something; a secret for it goes to its standard input.
$program = Join-Path $current 'watchbill-agent.exe'
Say (Agent $program @($given.words) "$($given.text)")
