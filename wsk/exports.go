package wsk

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// Subsystem is what wsk adds to a machine.
var Subsystem = ke.Subsystem{
	Package: "wsk",
	Rules:   rules,
	Objects: []trace.Kind{trace.Registration, trace.Socket},
	Frames:  []ke.FrameKind{ke.FrameWskEvent},
	Sites: []*ke.Site{
		&siteBind.answer, &siteBind.fault, &siteListen.answer, &siteListen.fault, &siteLocal.answer,
		&siteLocal.fault, &siteRemote.answer, &siteRemote.fault, &siteConnect.answer, &siteConnect.fault,
		&siteSocketConnect.answer, &siteSocketConnect.fault, &siteAccept.answer, &siteAccept.fault,
		&siteDisconnect.answer, &siteDisconnect.fault, &siteControl.answer, &siteControl.fault,
		&siteSend.answer, &siteSend.fault, &siteReceive.answer, &siteReceive.fault, &siteReturned,
		&siteCapture, &siteRegister, &siteSocket.answer, &siteSocket.fault, &siteClose.answer, &siteIRQL,
	},
}
