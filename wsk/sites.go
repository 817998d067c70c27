package wsk

import "calloutsim/internal/ke"

// Sites lists the choice sites of this package.
func Sites() []*ke.Site {
	return []*ke.Site{
		&siteBind.answer, &siteBind.fault, &siteListen.answer, &siteListen.fault, &siteLocal.answer,
		&siteLocal.fault, &siteRemote.answer, &siteRemote.fault, &siteConnect.answer, &siteConnect.fault,
		&siteSocketConnect.answer, &siteSocketConnect.fault, &siteAccept.answer, &siteAccept.fault,
		&siteDisconnect.answer, &siteDisconnect.fault, &siteControl.answer, &siteControl.fault,
		&siteSend.answer, &siteSend.fault, &siteReceive.answer, &siteReceive.fault, &siteReturned,
		&siteCapture, &siteRegister, &siteSocket.answer, &siteSocket.fault, &siteClose.answer, &siteIRQL,
	}
}
